import * as z from 'zod'

/** An object of these members and no other; whoever writes another is told which there are. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const expected = `unknown field; expected ${Object.keys(shape).join(', ')}`
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? expected : undefined),
  })
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const DAY_MS = 86_400_000
const MS_PER_S = 1_000

/** A duration as number of milliseconds or as text with a unit: `500ms`, `30s`, `5m`, `1h`. */
export const durationMs = z.union([z.number(), z.string()]).transform((value, context) => {
  const ms = typeof value === 'number' ? value : textToMs(value)
  if (ms !== undefined && Number.isInteger(ms) && ms >= 1 && ms <= DAY_MS) return ms
  context.addIssue({
    code: 'custom',
    message: 'expected 1 to 86400000 ms, or text such as "500ms", "30s", "5m"',
  })
  return z.NEVER
})

/** A duration as number of seconds or as text with a unit: 60, `500ms`, `5m`. In seconds. */
export const durationS = z.union([z.number(), z.string()]).transform((value, context) => {
  const ms = typeof value === 'number' ? value * MS_PER_S : textToMs(value)
  if (ms !== undefined && ms >= 1 && ms <= DAY_MS) return ms / MS_PER_S
  context.addIssue({
    code: 'custom',
    message: 'expected 0.001 to 86400 s, or text such as "500ms", "30s", "5m"',
  })
  return z.NEVER
})

function textToMs(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text)
  return match ? Math.round(Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? NaN)) : undefined
}

/** Name of a model as clients write it. */
export const modelName = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$/,
    'expected a model name: letters, digits and . _ : / @ + -',
  )

/** Id of a resource other than a route. */
export const resourceId = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected 1 to 63 letters, digits and . _ -')

export const weight = z.int().min(0).max(1000)

export const labels = z
  .record(
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/, 'expected a label name'),
    z.string().max(255),
  )
  .refine((all) => Object.keys(all).length <= 64, 'expected at most 64 labels')
