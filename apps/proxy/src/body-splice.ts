import { type ModelToken } from './body-scan.ts'

/** A body in parts, in order; the ones of the original are views and not copies. */
export interface SplicedBody {
  readonly parts: readonly [head: Buffer, model: Buffer, tail: Buffer]
  /** Bytes of all parts: the content-length. */
  readonly length: number
}

/**
 * The body with another model in place of the one that scanBody() found; every other byte stays as
 * it is.
 */
export function spliceModel(
  body: Buffer,
  { start, end }: Pick<ModelToken, 'start' | 'end'>,
  model: string,
): SplicedBody {
  const token = Buffer.from(JSON.stringify(model))
  return {
    parts: [body.subarray(0, start), token, body.subarray(end)],
    length: start + token.length + (body.length - end),
  }
}
