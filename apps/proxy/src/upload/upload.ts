import { type IncomingMessage } from 'node:http'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { downstream, internal } from '../failures.ts'
import { type Limits } from '../read-body.ts'
import { BadMultipart, MultipartScanner } from './multipart.ts'

/** A body that is passed on as it comes, and can be read once. */
export interface Upload {
  /** Undefined where the whole body names none; then nothing is replaced in it. */
  readonly model: string | undefined
  /** Whether a backend has begun to read it: then no other attempt can be made. */
  readonly isRead: boolean
  /** Bytes, where they are known before; else it goes in chunks. */
  lengthAs(model: string): number | undefined
  /** With this name of the model in place of its own. `failed` is told before it throws. */
  bodyAs(model: string, failed: (failure: Failure) => void): AsyncIterable<Buffer>
}

interface Reading extends Limits {
  readonly boundary: string
  /** As a header names it: then nothing is read before the backend is chosen. */
  readonly named: string | undefined
  /** Whether a model is named at all; else a part of this name is one as any other. */
  readonly namesModel: boolean
}

/**
 * Reads as far as the part that names the model. Clients that send their file first make us hold
 * it, within the limit and the budget of all bodies; those that say the model before, or in a
 * header, do not.
 */
export async function readUpload(
  request: IncomingMessage,
  { boundary, named, namesModel, bytesMax, budget, held }: Reading,
): Promise<Result<Upload, Failure>> {
  const declared = declaredLength(request)
  const tooLarge = downstream('request_too_large', `the body is over ${bytesMax} bytes`)
  if (declared !== undefined && declared > bytesMax) return err(tooLarge)
  const rest = request.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  const head: Buffer[] = []
  const scanner = new MultipartScanner(boundary)
  let bytes = 0
  let found: string | undefined
  let isWhole = false
  try {
    while (namesModel && named === undefined && found === undefined && !isWhole) {
      const { done, value } = await rest.next()
      if (done) {
        scanner.end()
        isWhole = true
        continue
      }
      bytes += value.length
      if (bytes > bytesMax) return err(tooLarge)
      if (!budget.take(value.length)) {
        return err(internal('bodies_full', 'too many large requests at once'))
      }
      held.bytes += value.length
      head.push(value)
      for (const piece of scanner.feed(value)) if (piece.kind === 'model') found = piece.value
    }
  } catch (error) {
    return err(failureOf(error))
  }
  const model = namesModel ? (named ?? found) : undefined
  const known = { namesModel, declared, found: found !== undefined, bytesMax, tooLarge, boundary }
  return ok(new Passing({ model, head, rest: isWhole ? undefined : rest, ...known }))
}

interface Facts {
  readonly model: string | undefined
  readonly head: readonly Buffer[]
  readonly rest: AsyncIterator<Buffer> | undefined
  readonly declared: number | undefined
  readonly namesModel: boolean
  /** Whether the body itself named the model. */
  readonly found: boolean
  readonly bytesMax: number
  readonly tooLarge: Failure
  readonly boundary: string
}

class Passing implements Upload {
  readonly #facts: Facts
  isRead = false

  constructor(facts: Facts) {
    this.#facts = facts
  }

  get model(): string | undefined {
    return this.#facts.model
  }

  lengthAs(model: string): number | undefined {
    const { declared, found, model: own = '', namesModel } = this.#facts
    if (declared === undefined || model === own || !namesModel) return declared
    return found ? declared + Buffer.byteLength(model) - Buffer.byteLength(own) : undefined
  }

  async *bodyAs(model: string, failed: (failure: Failure) => void): AsyncGenerator<Buffer> {
    this.isRead = true
    const { head, rest, bytesMax, tooLarge, boundary } = this.#facts
    const scanner = new MultipartScanner(boundary)
    let bytes = 0
    try {
      for (const chunk of head) {
        bytes += chunk.length
        yield* this.#pieces(scanner.feed(chunk), model)
      }
      for (let next = await rest?.next(); next && !next.done; next = await rest?.next()) {
        bytes += next.value.length
        if (bytes > bytesMax) throw new TooLarge()
        yield* this.#pieces(scanner.feed(next.value), model)
      }
      yield* this.#pieces(scanner.end(), model)
    } catch (error) {
      failed(error instanceof TooLarge ? tooLarge : failureOf(error))
      throw error
    }
  }

  *#pieces(pieces: ReturnType<MultipartScanner['feed']>, model: string): Generator<Buffer> {
    const { model: own, namesModel } = this.#facts
    for (const piece of pieces) {
      if (piece.kind === 'bytes' || !namesModel) yield piece.bytes
      else if (piece.value !== own) throw new BadMultipart('the body names another model')
      else if (model !== '') yield model === own ? piece.bytes : Buffer.from(model)
    }
  }
}

class TooLarge extends Error {}

function failureOf(error: unknown): Failure {
  if (error instanceof BadMultipart) return downstream(error.code, error.message)
  return downstream('request_timeout', 'the client left before the request was whole')
}

function declaredLength({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  return length === undefined ? undefined : Number(length)
}
