import { type ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import { type CutHow } from './mock-faults.ts'

/** An answer whose status is 200, and whose body is not what it says. */
export type Broken =
  /** Its length is said to be this many bytes more (or less) than what comes. */
  | { readonly kind: 'misframed'; readonly bytesMore: number }
  /** It is whole, and no JSON: nor are the events of a stream. */
  | { readonly kind: 'garbled' }

const PLAIN = '{"id":"chatcmpl-1","object":"chat.completion","choices":[]}'
const STREAM = 'data: {"id":"chatcmpl-1","choices":[]}\n\ndata: [DONE]\n\n'
const GARBLED_PLAIN = '{"id":"chatcmpl-1","choices":['
const GARBLED_STREAM = 'data: {"id":"chatcmpl-1","choices":[\n\ndata: [DONE]\n\n'

/** Answers a request, for a stream or not, with what is broken. */
export function answerBroken(fault: Broken, response: ServerResponse, streams: boolean): void {
  const garbled = fault.kind === 'garbled'
  const plain = garbled ? GARBLED_PLAIN : PLAIN
  const body = streams ? (garbled ? GARBLED_STREAM : STREAM) : plain
  const bytesMore = garbled ? 0 : fault.bytesMore
  response.writeHead(200, {
    'content-type': streams ? 'text/event-stream' : 'application/json',
    'content-length': Buffer.byteLength(body) + bytesMore,
  })
  // What is missing never comes: the connection ends in its place.
  if (bytesMore > 0) response.write(body, () => response.socket?.end())
  else response.end(body)
}

/** Ends an answer that has begun, or was to. Of HTTP/2 the stream, or with `fin` the connection. */
export function breakOff(response: ServerResponse, how: CutHow): void {
  if (how === 'silence') return
  if (how === 'clean') return void response.end()
  const { stream } = response as unknown as Partial<Http2ServerResponse>
  // Beneath TLS there is no sending of a reset.
  const cannotReset = response.socket && 'encrypted' in response.socket
  if (!stream && (how === 'fin' || cannotReset)) response.socket?.destroy()
  else if (!stream) response.socket?.resetAndDestroy()
  else if (how === 'fin') stream.session?.destroy()
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR)
}

/** As a server does that shuts down: what it has not looked at may be sent elsewhere. */
export function goAway(response: ServerResponse): void {
  const { stream } = response as unknown as Http2ServerResponse
  stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 0)
  stream.close(constants.NGHTTP2_REFUSED_STREAM)
}
