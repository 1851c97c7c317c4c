import {
  type DialectName,
  type HeaderPair,
  type KindTraits,
  kindTraits,
  OPERATIONS,
  upstreamPath,
} from '@signalbox/dialects'
import { type BackendSpec, type NetworkSpec, type Status } from '@signalbox/model'
import {
  type Breaker,
  type CompiledBackend,
  eligible,
  type LiveBackend,
  type ModelBreakers,
  openBreaker,
  openModelBreakers,
} from '@signalbox/routing'
import { Upstream } from './upstream.ts'

/**
 * One backend inside this proxy. Survives table swaps; what a swap changes is replaced in place.
 */
export interface Live extends LiveBackend {
  backend: CompiledBackend
  traits: KindTraits
  upstream: Upstream
  upstreamKey: string
  /** Sent with every request of a dialect: what the kind wants, and the credential. */
  headers: ReadonlyMap<DialectName, readonly HeaderPair[]>
  /** Upstream path by the path that clients write, of what its kind serves natively. */
  paths: ReadonlyMap<string, string>
  status: Status | null
  /** Revision at which the address was set: a status from before it speaks of another server. */
  sinceRevision: number
  breaker: Breaker
  models: ModelBreakers
  removed: boolean
  /** Its credential does not open: without one it would only be refused. */
  locked: boolean
}

export interface Binding {
  readonly backend: CompiledBackend
  /** In clear; undefined where there is none or it does not open. */
  readonly secret: string | undefined
  /** Which addresses it may have. */
  readonly network: NetworkSpec
}

export function createLive(binding: Binding): Live {
  const { backend, secret, network } = binding
  const { spec } = backend
  const traits = kindTraits(spec.kind)
  return {
    id: backend.id,
    inFlight: 0,
    spentUntilMs: 0,
    eligible: true,
    ewmaMs: 0,
    ewmaAtMs: 0,
    samples: 0,
    backend,
    traits,
    upstream: new Upstream(spec, network),
    upstreamKey: upstreamKeyOf(binding),
    headers: headersOf(traits, secret),
    paths: pathsOf(spec, traits),
    status: null,
    sinceRevision: backend.revision,
    breaker: openBreaker(),
    models: openModelBreakers(),
    removed: false,
    locked: isLocked(backend, secret),
  }
}

/** Whether the backend has a credential that did not open. */
export function isLocked({ credential }: CompiledBackend, secret: string | undefined): boolean {
  return credential !== null && secret === undefined
}

/** Takes over a new version of the backend. Connects anew where the old way does not fit it. */
export function rebindLive(live: Live, binding: Binding): void {
  const { backend, secret, network } = binding
  const before = live.backend.spec
  const { spec } = backend
  live.backend = backend
  if (!backend.limits) live.spentUntilMs = 0
  live.removed = false
  live.locked = isLocked(backend, secret)
  const key = upstreamKeyOf(binding)
  if (key === live.upstreamKey) return
  live.traits = kindTraits(spec.kind)
  live.headers = headersOf(live.traits, secret)
  live.paths = pathsOf(spec, live.traits)
  live.upstreamKey = key
  live.upstream.close()
  live.upstream = new Upstream(spec, network)
  live.breaker = openBreaker()
  live.models = openModelBreakers()
  if (before.url === spec.url) return
  live.status = null
  live.sinceRevision = backend.revision
  live.samples = 0
}

/** Believes the probes, unless it speaks of an address that the backend no longer has. */
export function observeStatus(live: Live, status: Status): boolean {
  if (status.revision < live.sinceRevision) return false
  live.status = status
  return true
}

/** Recomputed after a status and after a change. What requests find out is the breaker's. */
export function refreshEligible(live: Live): void {
  // Nobody looks any more: what was seen last would stay for ever.
  const { enabled } = live.backend.spec.health
  const healthy = live.status === null || !enabled || eligible(live.status.health)
  live.eligible = healthy && !live.locked
}

function upstreamKeyOf({ backend, secret, network }: Binding): string {
  const { kind, url, tls, http2, timeouts } = backend.spec
  const { connections, idleConnections } = backend.spec.limits
  const keeping = [connections, idleConnections, timeouts.idleConnectionMs]
  return JSON.stringify([kind, url, tls, http2, keeping, secret, network.allow])
}

function headersOf(traits: KindTraits, secret: string | undefined): Live['headers'] {
  const { native, dialect, fixedHeaders } = traits
  return new Map(
    [...native, dialect.name].map((name) => [
      name,
      [...fixedHeaders, ...(secret === undefined ? [] : traits.credentialHeaders(secret, name))],
    ]),
  )
}

function pathsOf(spec: BackendSpec, { native }: KindTraits): ReadonlyMap<string, string> {
  return new Map(
    OPERATIONS.filter(({ dialect }) => native.includes(dialect)).map((operation) => [
      operation.path,
      upstreamPath(spec.url, operation.upstream ?? operation.path),
    ]),
  )
}
