import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common'
import { BusUnavailable } from '@signalbox/bus'
import { type Log } from '@signalbox/host'
import { CODES, refuse, type Refusal, type RefusalCode } from '@signalbox/model'
import { DatabaseUnavailable } from '@signalbox/store'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import { Refused } from './refused.ts'
import { type AdminRequest, requestIdOf } from './request.ts'

const RETRY_AFTER_S = '1'
const RETRY_LATER = new Set<RefusalCode>([
  'database_unavailable',
  'bus_unavailable',
  'write_queue_full',
])
const BY_STATUS: Readonly<Record<number, RefusalCode>> = {
  400: 'malformed_body',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'admin_body_too_large',
  415: 'admin_media_type',
}

/** The RFC 9457 problem document of a refusal. */
export function problemOf(refusal: Refusal, requestId: string) {
  const { code, message, errors, current } = refusal
  const { status, remedy } = CODES[code]
  return {
    type: `/docs/errors#${code}`,
    title: code.replaceAll('_', ' '),
    status,
    code,
    detail: message,
    remedy,
    ...(errors ? { errors } : {}),
    ...(current === undefined ? {} : { current }),
    requestId,
  }
}

export function sendProblem(reply: FastifyReply, refusal: Refusal, requestId: string): void {
  ;(reply.request as AdminRequest).refusedWith = refusal.code
  if (RETRY_LATER.has(refusal.code)) void reply.header('retry-after', RETRY_AFTER_S)
  void reply
    .status(CODES[refusal.code].status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(problemOf(refusal, requestId)))
}

/**
 * Any error as a refusal; what is nobody's fault but ours tells the client nothing of its cause.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refused) return error.refusal
  if (error instanceof DatabaseUnavailable) return refuse('database_unavailable', error.message)
  if (error instanceof BusUnavailable) {
    return refuse('bus_unavailable', 'the bus does not answer; the log holds the cause')
  }
  const status = statusOf(error)
  const code = status === undefined ? undefined : BY_STATUS[status]
  if (code) return refuse(code, messageFor(code))
  return refuse('internal_error', 'an internal error; the log holds the cause')
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus()
  const status = (error as { statusCode?: unknown } | null)?.statusCode
  return typeof status === 'number' ? status : undefined
}

function messageFor(code: RefusalCode): string {
  if (code === 'malformed_body') return 'the body is not valid JSON'
  if (code === 'not_found') return 'there is no such path'
  if (code === 'admin_body_too_large') return 'the body is over the limit'
  if (code === 'admin_media_type') return 'expected content-type application/json (or yaml, toml)'
  return 'the path has no such method'
}

/** For a URL that the router gave up on, before any hook or handler. */
export function sendFrameworkError(
  error: { readonly code: string },
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const refusal =
    error.code === 'FST_ERR_BAD_URL'
      ? refuse('unknown_parameter', 'the path is not valid percent-encoded UTF-8')
      : refuse('not_found', messageFor('not_found'))
  sendProblem(reply, refusal, requestIdOf(request))
}

/** Turns every exception of a controller into a problem document. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp()
    const request = http.getRequest<FastifyRequest>()
    const refusal = refusalOf(error)
    const requestId = requestIdOf(request)
    if (refusal.code === 'internal_error') {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#log.error({ requestId, cause }, 'a request failed by our own fault')
    }
    sendProblem(http.getResponse<FastifyReply>(), refusal, requestId)
  }
}
