import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type FindActor, reaches } from './actors.ts'
import { refused } from './refused.ts'
import { type AdminRequest } from './request.ts'
import { roleNeeded } from './roles.ts'

/**
 * Who may: everybody with a token reads, an operator writes. A hook and not a Nest guard, so that
 * it comes before the body is read and holds for paths that do not exist.
 */
export function requireTokens(fastify: FastifyInstance, findActor: FindActor): void {
  fastify.addHook('onRequest', (request: AdminRequest, reply, done) => {
    if (isPublic(request)) return done()
    const actor = findActor(request.headers.authorization)
    if (!actor) {
      void reply.header('www-authenticate', 'Bearer realm="signalbox admin"')
      return done(refused('unauthenticated', 'no token, or one that is not known'))
    }
    request.actor = actor
    const needed = roleNeeded(request.method, request.routeOptions.url ?? '')
    if (!reaches(actor, needed)) {
      return done(refused('forbidden', `the role ${actor.role} may not do this; needs ${needed}`))
    }
    done()
  })
}

/** The reference is public. Judged by the route that answers, never by the text of the URL. */
function isPublic({ routeOptions: { url } }: FastifyRequest): boolean {
  return url === '/' || url === '/openapi.json' || (url?.startsWith('/docs') ?? false)
}
