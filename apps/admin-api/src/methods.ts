import { type FastifyInstance } from 'fastify'
import { refused } from './refused.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Notes every route from now on. The answered function gives each path that has routes a 405, with
 * an allow header, for the methods that it has not.
 */
export function watchMethods(fastify: FastifyInstance): () => void {
  const taken = new Map<string, Set<string>>()
  fastify.addHook('onRoute', ({ url, method }) => {
    const methods = taken.get(url) ?? new Set<string>()
    taken.set(url, methods)
    for (const one of [method].flat()) methods.add(one)
  })
  return () => {
    for (const [url, methods] of [...taken]) {
      const allow = [...methods].join(', ')
      const others = METHODS.filter((method) => !methods.has(method))
      if (others.length === 0) continue
      fastify.route({
        url,
        method: others,
        handler: (_request, reply) => {
          void reply.header('allow', allow)
          throw refused('method_not_allowed', `this path has ${allow}`)
        },
      })
    }
  }
}
