import { type Server, type ServerResponse } from 'node:http'
import { type Duplex } from 'node:stream'
import { CODES, refuse, type Refusal } from '@signalbox/model'
import { problemOf } from './problem.ts'
import { newRequestId } from './request.ts'

export interface ClientErrors {
  /** For what Node's parser refuses. */
  readonly answer: (error: NodeJS.ErrnoException, socket: Duplex) => void
  /** Has to see the requests, so that an answer is never put into another one. */
  readonly watch: (server: Server) => void
}

/**
 * What Node's parser refuses never becomes a request: no hook sees it, and no handler. It is
 * answered with a problem document all the same, and the connection ends.
 */
export function createClientErrors(): ClientErrors {
  const responses = new WeakMap<Duplex, ServerResponse>()
  return {
    answer: (error, socket) => {
      if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
      const response = responses.get(socket)
      if (!response?.req.complete) {
        // It belongs to the body of this request, which may have been answered before its end.
        return void (response?.headersSent ? socket.destroy() : endWith(socket, refusalOf(error)))
      }
      if (response.writableFinished) return endWith(socket, refusalOf(error))
      // It comes behind a request that is being answered: that answer is the last one.
      response.shouldKeepAlive = false
      response.once('close', () => socket.destroy())
    },
    watch: (server) => {
      server.on('request', ({ socket }, response) => responses.set(socket, response))
      // A server may pass over an expectation that it does not know (RFC 9110, 10.1.1).
      server.on('checkExpectation', (...both) => server.emit('request', ...both))
      server.on('connect', (_request, socket) => {
        endWith(socket, refuse('method_not_allowed', 'this is no proxy: there is no CONNECT'))
      })
    },
  }
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}

/** A peer that does not close its side must not keep the connection, and so a stop, waiting. */
function endWith(socket: Duplex, refusal: Refusal): void {
  const body = JSON.stringify(problemOf(refusal, newRequestId()))
  const { status } = CODES[refusal.code]
  const head = [
    `HTTP/1.1 ${status} ${STATUS_TEXTS[status] ?? ''}`,
    'connection: close',
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

function refusalOf({ code }: NodeJS.ErrnoException): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return refuse('admin_headers_too_large', 'the headers are over the limit')
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return refuse('admin_request_timeout', 'the request did not arrive in time')
  }
  return refuse('admin_malformed_request', 'what was sent is not valid HTTP')
}
