import { CODES, type Failure } from '@signalbox/model'
import { type UpstreamError } from '../chat.ts'
import { jsonIn, stringIn } from '../fields.ts'

/** The words of Anthropic's API, by status: its clients choose their classes by these. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}
const SERVER_ERROR_MIN = 500

function typeOf(status: number): string {
  return TYPES[status] ?? (status < SERVER_ERROR_MIN ? 'invalid_request_error' : 'api_error')
}

/** `{"type": "error", "error": {"type", "message"}, "request_id"}`; `code` is ours beside it. */
export function errorBody(failure: Failure, requestId: string): string {
  const { code, message } = failure
  return JSON.stringify({
    type: 'error',
    error: { type: typeOf(CODES[code].status), message, code },
    request_id: requestId,
  })
}

export function readError(status: number, body: unknown): UpstreamError {
  const error = jsonIn(body, 'error')
  return {
    status,
    message: stringIn(error, 'message') ?? `the backend answered ${status}`,
    type: stringIn(error, 'type') ?? null,
    code: stringIn(jsonIn(error, 'details'), 'error_code') ?? null,
    param: null,
  }
}

export function writeError(error: UpstreamError, requestId: string): string {
  const { status, message, code } = error
  return JSON.stringify({
    type: 'error',
    error: { type: typeOf(status), message, ...(code === null ? {} : { code }) },
    request_id: requestId,
  })
}

export function writeStreamError(error: UpstreamError, requestId: string): string {
  return `\n\nevent: error\ndata: ${writeError(error, requestId)}\n\n`
}
