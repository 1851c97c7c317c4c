import fc from 'fast-check'
import { emptySnapshot, type FieldProblem } from '@signalbox/model'
import { type Command } from '../command.ts'
import { decideAll } from '../decide.ts'
import { type Env, type Imported, type ImportResult, type Unmapped } from './document.ts'

export type Importer = (input: unknown, env: Env) => ImportResult

/** What was imported; a test that meant to succeed fails with the problems. */
export function importedBy(importer: Importer, input: unknown, env: Env = {}): Imported {
  const result = importer(input, env)
  if (!result.ok) throw new Error(`not imported: ${JSON.stringify(result.error)}`)
  return result.value
}

/** What was wrong; a test that meant to be refused fails where it was not. */
export function problemsOf(
  importer: Importer,
  input: unknown,
  env: Env = {},
): readonly FieldProblem[] {
  const result = importer(input, env)
  if (result.ok) throw new Error(`imported: ${JSON.stringify(result.value)}`)
  return result.error
}

export function pathsOf(found: readonly (FieldProblem | Unmapped)[]): readonly string[] {
  return found.map(({ path }) => path)
}

export function whyOf(unmapped: readonly Unmapped[], path: string): string | undefined {
  return unmapped.find((one) => one.path === path)?.why
}

type Place = readonly string[]

/** Every value that holds no other, as the list of names that lead to it. */
export function leavesOf(value: unknown, place: Place = []): readonly Place[] {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : []
  if (names.length === 0) return place.length === 0 ? [] : [place]
  return names.flatMap((name) =>
    leavesOf((value as Record<string, unknown>)[name], [...place, name]),
  )
}

/** A copy in which the value at this place is another. */
export function replaced(value: unknown, place: Place, other: unknown): unknown {
  const [name, ...rest] = place
  if (name === undefined) return other
  const child = replaced((value as Record<string, unknown>)[name], rest, other)
  if (!Array.isArray(value)) return { ...(value as object), [name]: child }
  return value.map((item: unknown, index) => (String(index) === name ? child : item))
}

function isReported(place: Place, unmapped: readonly Unmapped[]): boolean {
  const path = place.join('.')
  return unmapped.some((one) => path === one.path || path.startsWith(`${one.path}.`))
}

const NONSENSE = [[[true]], { nonsense: true }]

/**
 * Leaves of an importable document that got lost: they are not reported, and nobody reads them
 * either, since it goes unnoticed when their value is nonsense.
 */
export function lostLeaves(importer: Importer, input: unknown, env: Env = {}): readonly string[] {
  const { unmapped } = importedBy(importer, input, env)
  const noticed = (place: Place, other: unknown): boolean => {
    const result = importer(replaced(input, place, other), env)
    return !result.ok && result.error.some(({ path }) => path === place.join('.'))
  }
  return leavesOf(input)
    .filter((place) => !isReported(place, unmapped))
    .filter((place) => !NONSENSE.some((other) => noticed(place, other)))
    .map((place) => place.join('.'))
}

/** What the control plane says to the document on an empty log; undefined where it takes it. */
export function refusalOf({ backends, routes, policies }: Imported['config']): unknown {
  const create = (resource: Command['resource'], specs: Record<string, unknown>): Command[] =>
    Object.entries(specs).map(([id, spec]) => ({ op: 'create', resource, id, spec }))
  const keyless = Object.entries(backends).map(([id, spec]) => {
    const { apiKey: _, ...rest } = spec as Record<string, unknown>
    return [id, rest] as const
  })
  const commands = [
    ...create('backend', Object.fromEntries(keyless)),
    ...create('policy', policies),
    ...create('route', routes),
  ]
  const decided = commands.length === 0 ? undefined : decideAll(commands, emptySnapshot('import'))
  return decided === undefined || decided.ok ? undefined : decided.error
}

/** Values of all shapes below the given names, as somebody might have written them. */
export function anyFile(names: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.integer({ min: -2, max: 20_000 }),
        fc.double({ noNaN: true }),
        fc.boolean(),
        fc.constantFrom(null, '', '30s', 'http://h.test', 'openai/gpt-4o', '${A}', 'os.environ/A'),
      ),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 6 }),
    ),
  }))
  return fc.dictionary(fc.constantFrom(...names), tree, { maxKeys: 8 })
}
