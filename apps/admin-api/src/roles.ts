import { DEFINITIONS, type Role } from '@signalbox/model'

/**
 * Where the method does not tell. Export and snapshot hold sealed credentials: who has one and the
 * master key has them all. To explain is to read. Who could write principals could be anybody.
 */
const NEEDED: Readonly<Record<string, Role>> = {
  'GET /admin/v1/audit/export': 'admin',
  'GET /admin/v1/snapshot': 'admin',
  'GET /admin/v1/audit/denials': 'operator',
  'POST /admin/v1/explain': 'viewer',
  'POST /admin/v1/session': 'viewer',
  'DELETE /admin/v1/session': 'viewer',
  'POST /admin/v1/epochs': 'admin',
  'POST /admin/v1/secrets/rewrap': 'admin',
}
const PRINCIPALS = `/admin/v1/${DEFINITIONS.principal.plural}`
const CHUNKS = '/admin/v1/snapshot/chunks/'
const READS = ['GET', 'HEAD']

export function isRead(method: string): boolean {
  return READS.includes(method)
}

/** The role that a call needs. `path` is a route's, with its parameters unfilled. */
export function roleNeeded(method: string, path: string): Role {
  const reads = isRead(method)
  const named = NEEDED[`${reads ? 'GET' : method} ${path}`]
  if (named) return named
  if (reads) return path.startsWith(CHUNKS) ? 'admin' : 'viewer'
  return path === PRINCIPALS || path.startsWith(`${PRINCIPALS}/`) ? 'admin' : 'operator'
}
