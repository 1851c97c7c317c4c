import { createHash } from 'node:crypto'
import { type CompiledRoute } from '@signalbox/routing'
import { type Asked, type Passage } from '../passage.ts'

/** Headers that may change what is answered. */
const HEADERS = ['accept', 'accept-encoding', 'accept-language', 'content-type']
const PREFIXES = ['openai-', 'anthropic-']
const routes = new WeakMap<CompiledRoute, string>()

/**
 * What two requests must have in common to be given the same answer: whose they are, where they
 * go, and every byte of what they ask. Who sends no key is one caller with all who send none.
 */
export function keyOf(passage: Passage, { route, body }: Asked): string {
  const { key, operation, pathModel, request } = passage
  const head = [
    key?.id ?? null,
    operation.name,
    operation.path,
    pathModel ?? null,
    request.url ?? '',
  ]
  const hash = createHash('sha256').update(JSON.stringify([...head, routeOf(route)]))
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = (request.rawHeaders[i] ?? '').toLowerCase()
    if (!HEADERS.includes(name) && !PREFIXES.some((prefix) => name.startsWith(prefix))) continue
    hash.update(`\n${name}: ${request.rawHeaders[i + 1] ?? ''}`)
  }
  return hash.update('\n\n').update(body).digest('base64')
}

/** Another version of a backend, another model or another policy may answer otherwise. */
function routeOf(route: CompiledRoute): string {
  const known = routes.get(route)
  if (known !== undefined) return known
  const targets = route.tiers.map((tier) =>
    tier.targets.map(({ backend, model }) => [backend.id, backend.revision, model]),
  )
  const made = createHash('sha256')
    .update(JSON.stringify([route.id, targets, route.policy.translation, route.policy.prompts]))
    .digest('base64')
  routes.set(route, made)
  return made
}
