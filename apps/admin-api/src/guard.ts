import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { digestOfBearer, type FindActor, reaches } from './actors.ts'
import { refused } from './refused.ts'
import { type AdminRequest } from './request.ts'
import { isRead, roleNeeded } from './roles.ts'
import { type Sessions } from './sessions.ts'

export interface GuardDeps {
  readonly findActor: FindActor
  readonly sessions: Sessions
}

/**
 * Who may: everybody with a token reads, an operator writes. A hook and not a Nest guard, so that
 * it comes before the body is read and holds for paths that do not exist.
 */
export function requireTokens(fastify: FastifyInstance, deps: GuardDeps): void {
  fastify.addHook('onRequest', (request: AdminRequest, reply, done) => {
    if (isPublic(request)) return done()
    const digest = credentialOf(request, deps.sessions)
    const actor = digest && deps.findActor(digest)
    if (!actor) {
      void reply.header('www-authenticate', 'Bearer realm="signalbox admin"')
      return done(refused('unauthenticated', 'no token, or one that is not known'))
    }
    request.actor = actor
    if (request.sessionEndsMs !== undefined && !isRead(request.method) && !isOwn(request)) {
      return done(refused('forbidden', 'a session writes from the console alone'))
    }
    const needed = roleNeeded(request.method, request.routeOptions.url ?? '')
    if (!reaches(actor, needed)) {
      return done(refused('forbidden', `the role ${actor.role} may not do this; needs ${needed}`))
    }
    done()
  })
}

/** A token where there is one, else the console's session. */
function credentialOf(request: AdminRequest, sessions: Sessions): Uint8Array | undefined {
  const { authorization, cookie } = request.headers
  if (authorization !== undefined) return digestOfBearer(authorization)
  const session = sessions.find(cookie)
  if (session) request.sessionEndsMs = session.endsMs
  return session?.digest
}

/**
 * A browser sends the cookie along with what any page of this site asks for, other ports included.
 * The header can be set by scripts of this origin alone: others would have to ask first (CORS),
 * and are never let. Where the browser says whence a call comes, that must be here as well.
 */
function isOwn({ headers }: FastifyRequest): boolean {
  const from = headers['sec-fetch-site']
  return headers['x-signalbox-source'] === 'console' && (from ?? 'same-origin') === 'same-origin'
}

/** The reference and the console. Judged by the route that answers, never by the URL's text. */
function isPublic({ routeOptions: { url } }: FastifyRequest): boolean {
  if (url === '/' || url === '/openapi.json' || url === '/assets/:file') return true
  return url?.startsWith('/docs') ?? false
}
