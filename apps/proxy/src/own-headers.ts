import { type Routing } from './configuration.ts'
import { type Passage } from './passage.ts'

/** Which revision decided, which backend answered, at which attempt: name, value ... */
export function ownHeaders(
  { requestId, attempts, cache, limitHeaders }: Passage,
  { routing, backend }: { readonly routing: Routing; readonly backend: string },
): string[] {
  const headers = [
    ...['x-request-id', requestId, 'x-signalbox-revision', routing.revision],
    ...['x-signalbox-backend', backend, 'x-signalbox-attempts', String(attempts)],
  ]
  if (limitHeaders.length > 0) headers.push(...limitHeaders)
  if (cache !== null) headers.push('x-signalbox-cache', cache)
  return headers
}
