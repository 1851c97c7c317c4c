import { type Failure } from '@signalbox/model'
import { type UpstreamError } from '../chat.ts'
import { jsonIn, stringIn } from '../fields.ts'

/** `{"error": "text"}` is all that Ollama's clients read; ours stands beside it. */
function present(error: string, code: string | null, requestId: string): string {
  return JSON.stringify({ error, ...(code === null ? {} : { code }), request_id: requestId })
}

export function errorBody({ message, code }: Failure, requestId: string): string {
  return present(message, code, requestId)
}

/** Its servers write a text, those before them an object as OpenAI does. */
export function readError(status: number, body: unknown): UpstreamError {
  const message = stringIn(body, 'error') ?? stringIn(jsonIn(body, 'error'), 'message')
  return {
    status,
    message: message ?? `the backend answered ${status}`,
    type: null,
    code: stringIn(body, 'code') ?? null,
    param: null,
  }
}

export function writeError({ message, code }: UpstreamError, requestId: string): string {
  return present(message, code, requestId)
}

/** Behind lines that are whole: an empty one before it is none that every client passes over. */
export function writeStreamError(error: UpstreamError, requestId: string): string {
  return `${writeError(error, requestId)}\n`
}
