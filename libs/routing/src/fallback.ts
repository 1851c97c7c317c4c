import { type Failure } from '@signalbox/model'
import { type CompiledRoute, type Table } from './table.ts'

/** Failures after which another route may help: nobody can have begun to work on the request. */
export function fallsBack({ code, source, nothingSent }: Failure): boolean {
  if (code === 'no_backend' || code === 'backend_full' || code === 'untranslatable') return true
  return source === 'upstream' && nothingSent
}

/**
 * The routes that a request goes through: its own, then each fallback, followed by that one's own.
 * Every route at most once, so that a circle, which the control plane refuses, ends here too.
 */
export function fallbackChain(table: Table, route: CompiledRoute): readonly CompiledRoute[] {
  const chain = new Set<CompiledRoute>()
  const follow = (one: CompiledRoute) => {
    if (chain.has(one)) return
    chain.add(one)
    for (const id of one.fallbacks) {
      const next = table.routes.get(id)
      if (next) follow(next)
    }
  }
  follow(route)
  return [...chain]
}
