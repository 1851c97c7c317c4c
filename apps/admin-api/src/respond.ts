import { type FastifyReply } from 'fastify'
import { type Answer } from './service.ts'

/**
 * Sends a stored answer. Without `?wait` its bytes are the stored ones, so that a repeated call
 * gets the same; with it the convergence of this moment is added.
 */
export function respond(reply: FastifyReply, answer: Answer): void {
  const { convergence } = answer
  const waited = convergence !== undefined
  const status = answer.status === 204 && waited ? 200 : answer.status
  const body = waited
    ? JSON.stringify({ ...(JSON.parse(answer.body || '{}') as object), convergence })
    : answer.body
  void reply.status(status).headers(answer.headers)
  void reply.header('x-signalbox-revision', String(answer.revision))
  if (status === 204) return void reply.send()
  void reply.header('content-type', 'application/json; charset=utf-8').send(body)
}
