import {
  DEFINITIONS,
  type PolicySpec,
  type Resource,
  type ResourceName,
  type Snapshot,
} from '@signalbox/model'
import { type GivenSpecs, snapshotOfSpecs } from '@signalbox/testing'
import { compile } from './compile.ts'
import { type CompiledRoute, type LiveBackend, type Table } from './table.ts'
import { type PickContext } from './usable.ts'

/** Specs by id, as an operator writes them. */
export type Given = Omit<GivenSpecs, 'backends'> & {
  readonly backends?: Readonly<Record<string, object>>
}

/** A snapshot of these specs; a backend is a vllm unless it says otherwise. For tests. */
export function snapshotOf({ backends = {}, ...others }: Given): Snapshot {
  const whole = Object.entries(backends).map(
    ([id, spec]) => [id, { kind: 'vllm', url: `http://${id}.test`, models: [], ...spec }] as const,
  )
  return snapshotOfSpecs({ ...others, backends: Object.fromEntries(whole) })
}

/** Gives a resource a spec that no parser would let through, as another version might write it. */
export function withSpec(
  snapshot: Snapshot,
  { resource, id, change }: { resource: ResourceName; id: string; change: object },
): Snapshot {
  const { plural } = DEFINITIONS[resource]
  const all = new Map<string, Resource>(snapshot[plural])
  const before = all.get(id)
  if (!before) throw new Error(`no ${resource} ${id}`)
  const spec = { ...before.spec, ...change } as Resource['spec']
  all.set(id, { ...before, revision: 2, spec })
  return { ...snapshot, [plural]: all }
}

/** Live facts of every backend of a table, all up and idle. */
export function liveOf(table: Table): LiveBackend[] {
  return table.backends.map(({ id }) => ({
    id,
    inFlight: 0,
    eligible: true,
    ewmaMs: 0,
    ewmaAtMs: 0,
    samples: 0,
  }))
}

/** One route `m` over these backends, and what is needed to pick from it. */
export interface Picking {
  readonly table: Table
  readonly route: CompiledRoute
  readonly live: LiveBackend[]
  readonly byId: (id: string) => LiveBackend
  readonly context: (more?: Partial<PickContext>) => PickContext
}

interface PickingGiven {
  readonly backends: Readonly<Record<string, object>>
  readonly policy: Partial<PolicySpec>
  readonly tiers?: unknown
  readonly random: () => number
}

export function picking({ backends, policy, tiers, random }: PickingGiven): Picking {
  const targets = Object.keys(backends).map((backend) => ({ backend }))
  const routes = { m: { tiers: tiers ?? [{ targets }], policy: 'p' } }
  const { table } = compile(snapshotOf({ backends, routes, policies: { p: policy } }), new Map())
  const route = table.routes.get('m')
  if (!route) throw new Error('the route does not compile')
  const live = liveOf(table)
  const byId = (id: string) => {
    const found = live.find((one) => one.id === id)
    if (!found) throw new Error(`no backend ${id}`)
    return found
  }
  const context = (more: Partial<PickContext> = {}) => {
    return { live, nowMs: 0, random, tried: [], ...more }
  }
  return { table, route, live, byId, context }
}
