import { isLimited, type Snapshot } from '@signalbox/model'
import { compileBackends } from './compile-backends.ts'
import { compilePolicies } from './compile-policies.ts'
import { compileRoutes, type Discovered } from './compile-routes.ts'
import { compileImplicitRoutes, findImplicitPolicy } from './implicit-routes.ts'
import { compileKeys } from './keys.ts'
import { listModels } from './list-models.ts'
import { openQuarantine, type Problem } from './quarantine.ts'
import { settingsOf } from './settings.ts'
import { type CompiledRoute, type Table } from './table.ts'

/** Always the same: what is made of it is kept. */
const NOBODY: readonly string[] = []

export interface Compiled {
  readonly table: Table
  readonly problems: readonly Problem[]
}

/**
 * Compiles a snapshot for look-ups. Never refuses as a whole: a resource that does not compile is
 * named in `problems` and stays as `previous` had it (a new one is left out), while all others
 * move on. The result does not depend on the order of the snapshot's maps.
 */
export function compile(snapshot: Snapshot, discovered: Discovered, previous?: Table): Compiled {
  const quarantine = openQuarantine(previous)
  const backends = compileBackends(snapshot, quarantine)
  const backendById = new Map(backends.map((backend) => [backend.id, backend]))
  const policies = compilePolicies(snapshot, quarantine)
  const parts = { snapshot, backends, backendById, policies, discovered }
  const { routes, reserved } = compileRoutes(parts, quarantine)
  const implicitPolicy = findImplicitPolicy(parts, quarantine)
  compileImplicitRoutes(parts, { routes, reserved }, implicitPolicy)
  const models = listModels(routes, snapshot)
  const { clientAuth, bodyBytesMax = null, ...settings } = settingsOf(snapshot)
  const keys = snapshot.keys === previous?.keysOf ? previous.keys : compileKeys(snapshot, previous)
  const table = {
    head: snapshot.head,
    routes,
    backends,
    backendById,
    models,
    keys,
    keysOf: snapshot.keys,
    blocking: clientAuth === 'blocking',
    bodyBytesMax,
    limits: isLimited(settings.limits) ? settings.limits : null,
    addressLimits: isLimited(settings.addressLimits) ? settings.addressLimits : null,
    trustedProxies: settings.trustedProxies ?? NOBODY,
    network: settings.network,
  }
  return { table, problems: quarantine.problems }
}

/** The route that answers for a model's name. */
export function match(table: Table, model: string): CompiledRoute | undefined {
  return table.routes.get(model)
}
