import { CODES, type Failure, type FailureCode } from '@signalbox/model'
import { type UpstreamError } from '../chat.ts'
import { isJson, jsonIn, stringIn } from '../fields.ts'

const SERVER_ERROR_MIN = 500
const TOO_MANY = 429
/** Codes that are about the member `model` of the body: clients show it as `param`. */
const ABOUT_MODEL: readonly FailureCode[] = ['missing_model', 'model_not_found']

/** `{"error": {"message", "type", "param", "code"}, "request_id"}`: what OpenAI's clients read. */
export function errorBody(failure: Failure, requestId: string): string {
  return JSON.stringify({
    error: {
      message: failure.message,
      type: typeOf(CODES[failure.code].status),
      param: ABOUT_MODEL.includes(failure.code) ? 'model' : null,
      code: failure.code,
    },
    request_id: requestId,
  })
}

function typeOf(status: number): string {
  if (status === TOO_MANY) return 'rate_limit_error'
  return status < SERVER_ERROR_MIN ? 'invalid_request_error' : 'server_error'
}

/** What a backend of this dialect says went wrong; servers differ in where they put the text. */
export function readError(status: number, body: unknown): UpstreamError {
  const error = jsonIn(body, 'error') ?? body
  const message =
    stringIn(error, 'message') ?? stringIn(body, 'error') ?? stringIn(body, 'detail') ?? null
  const code = isJson(error) ? error['code'] : undefined
  return {
    status,
    message: message ?? `the backend answered ${status}`,
    type: stringIn(error, 'type') ?? null,
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : null,
    param: stringIn(error, 'param') ?? null,
  }
}

/** Another dialect's error, for OpenAI's clients. */
export function writeError(error: UpstreamError, requestId: string): string {
  const { message, type, code, param, status } = error
  const ours = status < SERVER_ERROR_MIN ? 'invalid_request_error' : 'server_error'
  return JSON.stringify({
    error: { message, type: type ?? ours, param, code },
    request_id: requestId,
  })
}

export function writeStreamError(error: UpstreamError, requestId: string): string {
  return `\n\nevent: error\ndata: ${writeError(error, requestId)}\n\n`
}
