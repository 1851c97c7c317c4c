import { type IncomingMessage } from 'node:http'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { type BodyBudget } from './body-budget.ts'
import { downstream, internal } from './failures.ts'

export interface Limits {
  readonly bytesMax: number
  /** Of all requests together. */
  readonly budget: BodyBudget
  /** What this request has taken of it; whoever settles the request gives that back. */
  readonly held: { bytes: number }
}

/**
 * The whole body, at most `bytesMax`. A declared length over it is refused before a byte is read;
 * one that turns out longer, when it does. The rest is left unread.
 */
export function readBody(
  request: IncomingMessage,
  { bytesMax, budget, held }: Limits,
): Promise<Result<Buffer, Failure>> {
  const tooLarge = downstream('request_too_large', `the body is over ${bytesMax} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
    return Promise.resolve(err(tooLarge))
  }
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let bytes = 0
    const settle = (result: Result<Buffer, Failure>) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      resolve(result)
    }
    const onData = (part: Buffer) => {
      bytes += part.length
      const fits = bytes <= bytesMax
      if (fits && budget.take(part.length)) {
        held.bytes += part.length
        return void parts.push(part)
      }
      request.pause()
      settle(err(fits ? internal('bodies_full', 'too many large requests at once') : tooLarge))
    }
    const onEnd = () => {
      const [only] = parts
      settle(ok(parts.length === 1 && only ? only : Buffer.concat(parts)))
    }
    const onClose = () => {
      settle(err(downstream('request_timeout', 'the client left before the request was whole')))
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose)
    request.on('error', () => {})
  })
}
