import {
  type HeaderPair,
  type KindTraits,
  kindTraits,
  upstreamOrigin,
  upstreamPath,
} from '@signalbox/dialects'
import { type BackendSpec, DEFAULT_POLICY, type Status } from '@signalbox/model'
import { type CompiledBackend, eligible, type LiveBackend } from '@signalbox/routing'
import { Pool } from 'undici'

/** Failures to connect in a row after which a backend is left alone for a while. */
export const CONNECT_FAILURES_MAX = 3
/** How long: by then a probe has had its say. */
export const EJECTION_MS = 5_000
const KEEP_ALIVE_MS = 30_000

/**
 * One backend inside this proxy. Survives table swaps; what a swap changes is replaced in place.
 */
export interface Live extends LiveBackend {
  backend: CompiledBackend
  traits: KindTraits
  pool: Pool
  poolKey: string
  /** Sent with every request: what the kind wants, and the credential. */
  headers: readonly HeaderPair[]
  /** Upstream path by the path that clients write. */
  paths: ReadonlyMap<string, string>
  status: Status | null
  /** Revision at which the address was set: a status from before it speaks of another server. */
  sinceRevision: number
  connectFailures: number
  ejectedUntilMs: number
  removed: boolean
}

export interface Binding {
  readonly backend: CompiledBackend
  /** In clear; undefined where there is none or it does not open. */
  readonly secret: string | undefined
}

export function createLive({ backend, secret }: Binding): Live {
  const { spec } = backend
  const traits = kindTraits(spec.kind)
  return {
    id: backend.id,
    inFlight: 0,
    eligible: true,
    ewmaMs: 0,
    ewmaAtMs: 0,
    samples: 0,
    backend,
    traits,
    pool: openPool(spec),
    poolKey: poolKeyOf(spec, secret),
    headers: headersOf(traits, secret),
    paths: pathsOf(spec, traits),
    status: null,
    sinceRevision: backend.revision,
    connectFailures: 0,
    ejectedUntilMs: 0,
    removed: false,
  }
}

/** Takes over a new version of the backend; a pool that would connect differently is replaced. */
export function rebindLive(live: Live, { backend, secret }: Binding): void {
  const before = live.backend.spec
  const { spec } = backend
  live.backend = backend
  live.removed = false
  const key = poolKeyOf(spec, secret)
  if (key === live.poolKey) return
  live.traits = kindTraits(spec.kind)
  live.headers = headersOf(live.traits, secret)
  live.paths = pathsOf(spec, live.traits)
  live.poolKey = key
  void live.pool.close() // ends when its requests have
  live.pool = openPool(spec)
  if (before.url === spec.url) return
  live.status = null
  live.sinceRevision = backend.revision
  live.samples = 0
  live.connectFailures = 0
  live.ejectedUntilMs = 0
}

/** Believes a probe, unless it speaks of an address that the backend no longer has. */
export function observeStatus(live: Live, status: Status): boolean {
  if (status.revision < live.sinceRevision) return false
  if (live.status && live.status.checkedAtMs > status.checkedAtMs) return false
  live.status = status
  return true
}

/** Recomputed after a status, an ejection, and the end of one. */
export function refreshEligible(live: Live, nowMs: number): void {
  const healthy = live.status === null || eligible(live.status.health)
  live.eligible = healthy && nowMs >= live.ejectedUntilMs
}

function openPool(spec: BackendSpec): Pool {
  const { verify, caPem, serverName } = spec.tls
  return new Pool(upstreamOrigin(spec.url), {
    connections: spec.limits.connections,
    pipelining: 1,
    allowH2: spec.http2 === 'auto' && spec.url.startsWith('https:'),
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: {
      timeout: spec.timeouts.connectMs ?? DEFAULT_POLICY.timeouts.connectMs,
      rejectUnauthorized: verify,
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    },
  })
}

function poolKeyOf(spec: BackendSpec, secret: string | undefined): string {
  const { kind, url, tls, http2, limits, timeouts } = spec
  return JSON.stringify([kind, url, tls, http2, limits.connections, timeouts.connectMs, secret])
}

function headersOf(traits: KindTraits, secret: string | undefined): readonly HeaderPair[] {
  return [...traits.fixedHeaders, ...(secret === undefined ? [] : traits.credentialHeaders(secret))]
}

function pathsOf(spec: BackendSpec, { dialect }: KindTraits): ReadonlyMap<string, string> {
  return new Map(dialect.operations.map(({ path }) => [path, upstreamPath(spec.url, path)]))
}
