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
  type Suspect,
} from '@signalbox/routing'
import { Upstream } from './upstream.ts'

/** What is sent to a backend, and over which connections. */
interface Way {
  readonly upstream: Upstream
  readonly headers: ReadonlyMap<DialectName, readonly HeaderPair[]>
  readonly paths: ReadonlyMap<string, string>
}

export interface Binding {
  readonly backend: CompiledBackend
  /** In clear; undefined where there is none or it does not open. */
  readonly secret: string | undefined
  /** Which addresses it may have. */
  readonly network: NetworkSpec
}

const NOTHING_OPEN: ReturnType<Upstream['stats']> = { open: 0, idle: 0, pending: 0 }

/**
 * One backend inside this proxy. Survives table swaps; what a swap changes is replaced in place.
 * Of a hundred thousand backends most are never picked here: what only a request needs is made by
 * the first one.
 */
export class Live implements LiveBackend {
  readonly id: string
  inFlight = 0
  spentUntilMs = 0
  eligible = true
  ewmaMs = 0
  ewmaAtMs = 0
  samples = 0
  traits: KindTraits
  status: Status | null = null
  /** Revision at which the address was set: a status from before it speaks of another server. */
  sinceRevision: number
  /** Undefined until a request has found out something: see suspectOf(). */
  breaker: Breaker | undefined = undefined
  models: ModelBreakers | undefined = undefined
  removed = false
  /** Its credential does not open: without one it would only be refused. */
  locked: boolean
  backend: CompiledBackend
  #secret: string | undefined
  #network: NetworkSpec
  #way: Way | undefined

  constructor({ backend, secret, network }: Binding) {
    this.id = backend.id
    this.backend = backend
    this.traits = kindTraits(backend.spec.kind)
    this.sinceRevision = backend.revision
    this.locked = isLocked(backend, secret)
    this.#secret = secret
    this.#network = network
  }

  get upstream(): Upstream {
    return this.#open().upstream
  }

  /** Where some request, or a call that warms it up, has already needed it. */
  get openedUpstream(): Upstream | undefined {
    return this.#way?.upstream
  }

  /** Sent with every request of a dialect: what the kind wants, and the credential. */
  get headers(): Way['headers'] {
    return this.#open().headers
  }

  /** Upstream path by the path that clients write, of what its kind serves natively. */
  get paths(): Way['paths'] {
    return this.#open().paths
  }

  poolStats(): ReturnType<Upstream['stats']> {
    return this.#way?.upstream.stats() ?? NOTHING_OPEN
  }

  /** Takes over a new version of the backend. Connects anew where the old way does not fit it. */
  rebind(binding: Binding): void {
    const { backend, secret, network } = binding
    const before = this.#binding()
    const { spec } = before.backend
    this.backend = backend
    this.#secret = secret
    this.#network = network
    if (!backend.limits) this.spentUntilMs = 0
    this.removed = false
    this.locked = isLocked(backend, secret)
    const same = spec === backend.spec && before.secret === secret && before.network === network
    if (same || wayKeyOf(before) === wayKeyOf(binding)) return
    this.traits = kindTraits(backend.spec.kind)
    this.#way?.upstream.close()
    this.#way = undefined
    this.breaker = undefined
    this.models = undefined
    if (spec.url === backend.spec.url) return
    this.status = null
    this.sinceRevision = backend.revision
    this.samples = 0
  }

  /** Where nothing else is taken over: what is forbidden now is so at once. */
  rebindNetwork(network: NetworkSpec): void {
    this.rebind({ ...this.#binding(), network })
  }

  #binding(): Binding {
    return { backend: this.backend, secret: this.#secret, network: this.#network }
  }

  #open(): Way {
    return (this.#way ??= openWay(this.#binding(), this.traits, () => this.#network))
  }
}

/**
 * What requests find out about a backend, from its first one on. Who has it keeps it to the end: a
 * backend that gets another address gets other breakers.
 */
export function suspectOf(live: Live): Suspect {
  const breaker = (live.breaker ??= openBreaker())
  const models = (live.models ??= openModelBreakers())
  return { breaker, models }
}

/** Whether the backend has a credential that did not open. */
export function isLocked({ credential }: CompiledBackend, secret: string | undefined): boolean {
  return credential !== null && secret === undefined
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

/** What a way is made of: where it is the same, so is the way. */
function wayKeyOf({ backend, secret, network }: Binding): string {
  const { kind, url, tls, http2, timeouts } = backend.spec
  const { connections, idleConnections } = backend.spec.limits
  const keeping = [connections, idleConnections, timeouts.idleConnectionMs]
  return JSON.stringify([kind, url, tls, http2, keeping, secret, network.allow])
}

/** `network`: the one in force, also once the way is a former one. */
function openWay(
  { backend: { spec }, secret }: Binding,
  traits: KindTraits,
  network: () => NetworkSpec,
): Way {
  const headers = headersOf(traits, secret)
  return { upstream: new Upstream(spec, network), headers, paths: pathsOf(spec, traits) }
}

function headersOf(traits: KindTraits, secret: string | undefined): Way['headers'] {
  const { native, dialect, fixedHeaders } = traits
  return new Map(
    [...native, dialect.name].map((name) => [
      name,
      [...fixedHeaders, ...(secret === undefined ? [] : traits.credentialHeaders(secret, name))],
    ]),
  )
}

function pathsOf(spec: BackendSpec, { native }: KindTraits): Way['paths'] {
  return new Map(
    OPERATIONS.filter(({ dialect }) => native.includes(dialect)).map((operation) => [
      operation.path,
      upstreamPath(spec.url, operation.upstream ?? operation.path),
    ]),
  )
}
