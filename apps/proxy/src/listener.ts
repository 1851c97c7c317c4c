import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Socket } from 'node:net'
import { openai } from '@signalbox/dialects'
import { downstream } from './failures.ts'
import { isRealtime } from './realtime/realtime.ts'

const HEADER_BYTES_MAX = 16_384
/** How long a client may take; `headersMs` below `requestMs`, or Node applies neither. */
export interface ListenerTimes {
  readonly headersMs: number
  /** For all of the request. */
  readonly requestMs: number
  readonly checkMs: number
}
/** Frequent checks, or Node applies them late. */
const TIMES: ListenerTimes = { headersMs: 15_000, requestMs: 120_000, checkMs: 1_000 }
const KEEP_ALIVE_MS = 75_000
/** None: the limit is in bytes, and Node would hide the headers over a number from the guard. */
const HEADERS_MAX = 0
/** Requests that wait behind another one on their connection. Clients of today send none so. */
const PIPELINED_MAX = 16

/** How large a body of this content-type may be. */
export type BytesMax = (contentType: string | undefined) => number

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void

/** node:http behind one function, so that another transport can take its place. */
export function createListener(
  bytesMax: BytesMax,
  serve: OnRequest,
  { headersMs, requestMs, checkMs }: ListenerTimes = TIMES,
): Server {
  const lines: Lines = new WeakMap()
  const onRequest = oneAtATime(lines, serve)
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: checkMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // The guard looks for it, and answers in the API's shape.
    requireHostHeader: false,
    shouldUpgradeCallback: isRealtime,
  })
  server.maxHeadersCount = HEADERS_MAX
  server.on('request', onRequest)
  server.on('checkContinue', (request, response) => {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared <= bytesMax(request.headers['content-type'])) response.writeContinue()
    onRequest(request, response)
  })
  server.on('clientError', (error, socket: Socket) => clientError(lines, error, socket))
  return server
}

/** What one connection carries. */
interface Line {
  /** The answer that is being written, or was the last one. */
  current: ServerResponse
  last: ServerResponse
  waiting: number
  /** What came behind the current request is not HTTP. */
  broken: boolean
}

type Lines = WeakMap<Socket, Line>

/**
 * Node hands out a pipelined request while the one before it is still being answered. It has to
 * wait: if that answer ends the connection, what follows must not have been served (RFC 9112, 9.6).
 */
function oneAtATime(lines: Lines, serve: OnRequest): OnRequest {
  return (request, response) => {
    const { socket } = request
    const line = lines.get(socket)
    if (!line || line.last.closed) {
      lines.set(socket, { current: response, last: response, waiting: 0, broken: false })
      return serve(request, response)
    }
    if (++line.waiting > PIPELINED_MAX) return void socket.destroy()
    const before = line.last
    line.last = response
    before.once('close', () => {
      line.waiting--
      if (line.broken || !socket.writable) return
      line.current = response
      serve(request, response)
    })
  }
}

/** What Node's parser refuses. An answer that is under way is finished first, and is the last. */
function clientError(lines: Lines, error: NodeJS.ErrnoException, socket: Socket): void {
  const line = lines.get(socket)
  if (!line || line.current.closed) return answerClientError(error, socket)
  const { current } = line
  if (!current.req.complete) {
    if (current.headersSent) socket.destroy()
    else answerClientError(error, socket)
  } else if (!line.broken) {
    line.broken = true
    current.shouldKeepAlive = false
    current.once('close', () => socket.destroySoon())
  }
}

interface ClientError {
  readonly status: string
  readonly code: 'headers_too_large' | 'request_timeout' | 'malformed_request'
  readonly message: string
}

const MALFORMED: ClientError = {
  status: '400 Bad Request',
  code: 'malformed_request',
  message: 'the request is not valid HTTP',
}
const CLIENT_ERRORS: Readonly<Record<string, ClientError>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'headers_too_large',
    message: `the headers have over ${HEADER_BYTES_MAX} bytes`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'request_timeout',
    message: 'the request did not come in time',
  },
}

/** In the API's shape. The connection ends. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const { status, code, message } = CLIENT_ERRORS[error.code ?? ''] ?? MALFORMED
  const body = openai.errorBody(downstream(code, message), '')
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n${head}\r\n\r\n${body}`)
}
