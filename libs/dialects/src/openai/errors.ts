import { CODES, type Failure, type FailureCode } from '@signalbox/model'

const SERVER_ERROR_MIN = 500
/** Codes that are about the member `model` of the body: clients show it as `param`. */
const ABOUT_MODEL: readonly FailureCode[] = ['missing_model', 'model_not_found']

/** `{"error": {"message", "type", "param", "code"}, "request_id"}`: what OpenAI's clients read. */
export function errorBody(failure: Failure, requestId: string): string {
  return JSON.stringify({
    error: {
      message: failure.message,
      type:
        CODES[failure.code].status < SERVER_ERROR_MIN ? 'invalid_request_error' : 'server_error',
      param: ABOUT_MODEL.includes(failure.code) ? 'model' : null,
      code: failure.code,
    },
    request_id: requestId,
  })
}
