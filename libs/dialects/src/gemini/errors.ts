import { CODES, type Failure } from '@signalbox/model'
import { type UpstreamError } from '../chat.ts'
import { jsonIn, stringIn } from '../fields.ts'

/** Google's words by HTTP status: its clients show both. */
const WORDS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}
const SERVER_ERROR_MIN = 500

function wordOf(status: number): string {
  return WORDS[status] ?? (status < SERVER_ERROR_MIN ? 'INVALID_ARGUMENT' : 'INTERNAL')
}

interface Said {
  readonly status: number
  readonly message: string
  readonly reason: string | null
}

/** `{"error": {"code", "message", "status", "details"}}`; ours stands in the details. */
function present({ status, message, reason }: Said, requestId: string): string {
  const domain = 'signalbox'
  const type = 'type.googleapis.com/google.rpc.ErrorInfo'
  const info = { '@type': type, reason: reason ?? wordOf(status), domain, metadata: { requestId } }
  return JSON.stringify({
    error: { code: status, message, status: wordOf(status), details: [info] },
  })
}

export function errorBody(failure: Failure, requestId: string): string {
  const { code, message } = failure
  return present({ status: CODES[code].status, message, reason: code }, requestId)
}

/** Streams that are lists put the error into a list. */
export function readError(status: number, body: unknown): UpstreamError {
  const first: unknown = Array.isArray(body) ? body[0] : body
  const error = jsonIn(first, 'error')
  return {
    status,
    message: stringIn(error, 'message') ?? `the backend answered ${status}`,
    type: stringIn(error, 'status') ?? null,
    code: null,
    param: null,
  }
}

export function writeError(error: UpstreamError, requestId: string): string {
  const { status, message, code } = error
  return present({ status, message, reason: code }, requestId)
}

export function writeStreamError(error: UpstreamError, requestId: string): string {
  return `\n\ndata: ${writeError(error, requestId)}\n\n`
}
