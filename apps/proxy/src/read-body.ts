import { type IncomingMessage } from 'node:http'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { downstream } from './failures.ts'

/**
 * The whole body, at most `bytesMax`. A declared length over it is refused before a byte is read;
 * one that turns out longer, when it does. The rest is not read: the connection ends.
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
    request.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes > bytesMax) {
        request.pause()
        resolve(err(tooLarge))
      } else {
        parts.push(part)
      }
    })
    request.on('end', () => {
      const [only] = parts
      resolve(ok(parts.length === 1 && only ? only : Buffer.concat(parts)))
    })
    request.on('close', () => {
      resolve(err(downstream('request_timeout', 'the client left before the request was whole')))
    })
    request.on('error', () => {})
  })
}
