import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Clock } from '@signalbox/host'

/** How much of an unwanted body is read, and for how long, so that its sender sees the answer. */
export const UNREAD_BYTES_MAX = 1_048_576
const LINGER_MS = 1_000

/** Whether a body comes with this request. */
export function declaresBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers
  return coding !== undefined || Number(length) > 0
}

/**
 * Ends an answer whose head is written, to a request whose body nobody will read. The answer goes
 * out at once, the connection ends a little later: a close with unread bytes is a reset, which may
 * take the answer from a client that still sends. What follows is never read as a request.
 */
export function endUnread(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  body: string,
  clock: Clock,
): void {
  response.write(body)
  let bytes = 0
  const end = () => {
    cancel()
    request.off('data', count)
    request.off('end', end)
    response.end()
  }
  const count = (part: Buffer) => {
    bytes += part.length
    if (bytes > UNREAD_BYTES_MAX) end()
  }
  const cancel = clock.after(LINGER_MS, end)
  response.once('close', cancel)
  request.on('error', () => {})
  request.once('end', end).on('data', count).resume()
}
