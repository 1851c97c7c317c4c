import {
  type BackendSpec,
  collection,
  type Resource,
  type ResourceName,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import { type Delta } from './delta.ts'

/*
 * Limits are configured for a proxy. Workers share no memory, so each keeps to its part: the limit
 * divided by their number, rounded down. So a proxy never opens more than it may, but where the
 * limit is below the number of workers: each gets one.
 */

export function shareOf(limit: number, workers: number): number {
  return limit === 0 ? 0 : Math.max(1, Math.floor(limit / workers))
}

export function shareDelta(delta: Delta, workers: number): Delta {
  const resources = delta.resources.map((one) => {
    return { ...one, resource: one.resource && shareResource(one.name, one.resource, workers) }
  })
  return { ...delta, resources }
}

export function shareSnapshot(snapshot: Snapshot, workers: number): Snapshot {
  return snapshotFrom(snapshot.head, (name) => {
    const all: ReadonlyMap<string, Resource> = collection(snapshot, name)
    if (name !== 'backend') return all
    return new Map([...all].map(([id, one]) => [id, shareResource(name, one, workers)]))
  })
}

function shareResource(name: ResourceName, resource: Resource, workers: number): Resource {
  if (name !== 'backend') return resource
  const spec = resource.spec as BackendSpec
  const { connections, idleConnections, pending, concurrency } = spec.limits
  const limits = {
    ...spec.limits,
    connections: shareOf(connections, workers),
    idleConnections: shareOf(idleConnections, workers),
    pending: shareOf(pending, workers),
    ...(concurrency === undefined ? {} : { concurrency: shareOf(concurrency, workers) }),
  }
  return { ...resource, spec: { ...spec, limits } }
}
