import { upstreamOrigin } from '@signalbox/dialects'
import { type AddressGate, type Cancel, openGate, systemClock } from '@signalbox/host'
import { type BackendSpec, isAllowedAddress, type NetworkSpec } from '@signalbox/model'
import type { Dispatcher } from 'undici'
import { Client, failUnconnected, KEEP_ALIVE_MS, type Keeping } from './h1/index.ts'
import { LatePool } from './late-pool.ts'

/** When the socket itself gives up. An attempt gives up sooner: connectMs of backend or policy. */
const CONNECT_MS_MAX = 30_000
const HTTP_PORT = 80

/**
 * The connections to one address with one credential, and who waits for one of them. The pool's own
 * queue has no limit and cannot be left: a request whose client has gone would stay in it, body and
 * all, and cost a good connection when its turn comes. So the pool is given no more requests than
 * it has connections, and the others wait here.
 */
export class Upstream {
  readonly #pool: LatePool | Client
  readonly #connections: number
  readonly #waiting = new Set<() => void>()
  #taken = 0
  #closing = false
  /** Before every connection to the address, the tunnel of a WebSocket too. */
  readonly gate: AddressGate
  readonly #network: () => NetworkSpec
  /** What the gate says under one network: asked again only when another one is in force. */
  #held: { readonly network: NetworkSpec; readonly refusal: AddressGate['refusal'] }

  /** `network`: the one in force, which what waits here has to keep to as well. */
  constructor(spec: BackendSpec, network: () => NetworkSpec) {
    const { hostname } = new URL(spec.url)
    this.gate = openGate(hostname, (address) => isAllowedAddress(address, network()))
    this.#network = network
    this.#held = { network: network(), refusal: this.gate.refusal }
    this.#connections = spec.limits.connections
    const keeping = { ...keepingOf(spec), lookup: this.gate.lookup }
    const isPlain = spec.url.startsWith('http:')
    this.#pool = isPlain ? openClient(spec, keeping) : openPool(spec, keeping)
  }

  /**
   * Calls `send` at once where a connection is free, else as soon as one is, oldest first. `send`
   * calls dispatch(), once. Answers how to leave the queue; that is nothing once `send` was called.
   */
  enter(send: () => void): Cancel {
    if (this.#taken < this.#connections) {
      this.#taken++
      send()
      return () => {}
    }
    this.#waiting.add(send)
    return () => {
      this.#waiting.delete(send)
      this.#closeIfDone()
    }
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const refusal = this.#refusal()
    if (refusal) queueMicrotask(() => failUnconnected(handler, refusal))
    else this.#pool.dispatch(options, handler)
  }

  /** The pool is done with what was dispatched; its client may have gone long before. */
  leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#taken--
      // Our own client keeps to its bound itself.
      if (this.#pool instanceof LatePool) this.#pool.freed()
    } else {
      this.#waiting.delete(next)
      next()
    }
    this.#closeIfDone()
  }

  stats(): { readonly open: number; readonly idle: number; readonly pending: number } {
    const { connected, free } = this.#pool.stats
    return { open: connected, idle: free, pending: this.#waiting.size }
  }

  /** Takes nothing new; what is under way and what waits is still served. */
  close(): void {
    this.#closing = true
    this.#closeIfDone()
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy()
  }

  #refusal(): AddressGate['refusal'] {
    const network = this.#network()
    if (network !== this.#held.network) this.#held = { network, refusal: this.gate.refusal }
    return this.#held.refusal
  }

  #closeIfDone(): void {
    if (!this.#closing || this.#waiting.size > 0) return
    this.#closing = false
    void this.#pool.close() // ends when its requests have
  }
}

type Opening = Keeping & Pick<AddressGate, 'lookup'>

function keepingOf({ limits, timeouts }: BackendSpec): Keeping {
  return {
    idleMax: limits.idleConnections,
    idleMs: timeouts.idleConnectionMs ?? KEEP_ALIVE_MS,
  }
}

/** Plain HTTP/1.1 is ours: it costs half. TLS and HTTP/2 are undici's. */
function openClient(spec: BackendSpec, { lookup, ...keeping }: Opening): Client {
  const { hostname, port, host } = new URL(upstreamOrigin(spec.url))
  const bare = hostname.replace(/^\[|\]$/g, '')
  const origin = { hostname: bare, port: Number(port || HTTP_PORT), host, lookup }
  return new Client(origin, systemClock, keeping)
}

function openPool(spec: BackendSpec, { idleMs, idleMax, lookup }: Opening): LatePool {
  const { verify, caPem, serverName } = spec.tls
  const options = {
    connections: spec.limits.connections,
    pipelining: 1,
    allowH2: spec.http2 === 'auto' && spec.url.startsWith('https:'),
    keepAliveTimeout: idleMs,
    connect: {
      timeout: CONNECT_MS_MAX,
      lookup,
      rejectUnauthorized: verify,
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    },
  }
  return new LatePool(upstreamOrigin(spec.url), options, { idleMax, clock: systemClock })
}
