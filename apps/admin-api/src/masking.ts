import { jsonPatch } from '@signalbox/control'
import {
  fingerprintOf,
  type ReleaseSpec,
  type Resource,
  sealedOf,
  type Spec,
} from '@signalbox/model'

/** A spec as people may see it: of a credential or a token only the fingerprint. */
export function maskSpec(spec: Spec | null): unknown {
  if (spec === null) return null
  if ('hash' in spec) {
    const { hash, previous, ...rest } = spec
    const former = previous && { fingerprint: fingerprintOf(previous.hash), until: previous.until }
    return { ...rest, fingerprint: fingerprintOf(hash), ...(former ? { previous: former } : {}) }
  }
  if ('sealed' in spec) {
    const { sealed: _, ...rest } = spec
    return rest
  }
  if ('changes' in spec) return { ...spec, changes: spec.changes.map(maskReplaced) }
  const own = 'credential' in spec ? sealedOf(spec) : undefined
  return own ? { ...spec, credential: { fingerprint: own.fingerprint } } : spec
}

/** What a release replaces may have a credential. */
function maskReplaced({ before, ...named }: ReleaseSpec['changes'][number]) {
  return before === undefined ? named : { ...named, before: before && maskSpec(before.spec) }
}

/** A resource as the API answers it. `version` is the log's own count and stays inside. */
export function presentResource(resource: Resource) {
  const { id, revision, createdAt, updatedAt, spec } = resource
  return { id, revision, createdAt, updatedAt, spec: maskSpec(spec) }
}

export function presentChange(change: {
  readonly resource: string
  readonly id: string
  readonly op: string
  readonly before: Spec | null
  readonly after: Spec | null
}) {
  const { resource, id, op } = change
  const [before, after] = [maskSpec(change.before), maskSpec(change.after)]
  // Where something was created or deleted, before and after say it all.
  const patch = op === 'updated' ? { patch: jsonPatch(before, after) } : {}
  return { resource, id, op, before, after, ...patch }
}
