import { type IncomingMessage } from 'node:http'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { downstream } from './failures.ts'

/**
 * The whole body, at most `bytesMax`. A declared length over it is refused before a byte is read;
 * one that turns out longer, when it does. The rest is left unread.
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
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
      if (bytes <= bytesMax) return void parts.push(part)
      request.pause()
      settle(err(tooLarge))
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
