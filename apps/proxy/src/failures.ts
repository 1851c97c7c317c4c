import { ADDRESS_REFUSED } from '@signalbox/host'
import { CODES, type Failure, type FailureCode } from '@signalbox/model'

/** The client's fault. */
export function downstream(code: FailureCode, message: string): Failure {
  return { code, source: 'downstream', nothingSent: true, message }
}

/** Ours, or nobody's: not ready, no backend, draining. */
export function internal(code: FailureCode, message: string): Failure {
  return { code, source: 'internal', nothingSent: true, message }
}

export function statusOf(failure: Failure): number {
  return CODES[failure.code].status
}

/** No connection in the time that the policy gives. */
export const NOT_CONNECTED: Failure = {
  code: 'upstream_connect_failed',
  source: 'upstream',
  nothingSent: true,
  message: 'no connection to the backend in time',
}

const CONNECT_ERRORS = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CONNECT_TIMEOUT',
])
const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'BODY_TIMEOUT'])

/**
 * An error of the upstream side as data. `started`: the request was handed to a connected socket,
 * so that the backend may have run it. `begun`: a part of the answer is with the client.
 */
export function upstreamFailure(
  error: Error,
  { started, begun }: { started: boolean; begun: boolean },
): Failure {
  const code = String((error as { code?: unknown }).code ?? error.name)
  const about = { source: 'upstream', nothingSent: !started, cause: code } as const
  if (TIMEOUTS.has(code)) {
    const message = begun ? 'the backend fell silent' : 'the backend did not answer in time'
    return { code: 'upstream_timeout', message, ...about }
  }
  if (begun) return { code: 'stream_cut', message: 'the backend broke off its answer', ...about }
  if (code === ADDRESS_REFUSED) {
    const message = "no address of the backend's may be connected to"
    return { code: 'upstream_address_refused', message, ...about }
  }
  if (!started || CONNECT_ERRORS.has(code)) {
    return { code: 'upstream_connect_failed', message: 'no connection to the backend', ...about }
  }
  return { code: 'upstream_failed', message: 'the backend broke off before it answered', ...about }
}
