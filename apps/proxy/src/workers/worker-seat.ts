import { type Server } from 'node:http'
import { type Socket } from 'node:net'
import { type Following, type Port } from '@signalbox/bus'
import { type Clock, type Metrics } from '@signalbox/host'
import { decodeSnapshot, type Snapshot, type Status } from '@signalbox/model'
import { type BackendHealth } from '../answers.ts'
import { type LeaseHearing, type LeaseLane } from '../limits.ts'
import { type Hearing, type Opened, type Seat } from '../seat.ts'
import { type Usage } from '../usage.ts'
import { applyDelta } from './delta.ts'
import {
  type Answered,
  type Config,
  type FromWorker,
  type ProxyState,
  type ToWorker,
  type What,
} from './messages.ts'
import { relayUsage } from './relay-usage.ts'
import { shareDelta, shareSnapshot } from './share.ts'

/** When the parent has not answered for all by then, this worker answers for itself. */
const ANSWER_MS = 950
const ASKED_MAX = 256

interface Asked {
  readonly resolve: (value: Answered[What]) => void
}

/**
 * Where a data plane sits that is one of several: its parent tells it the configuration, the
 * statuses and how the proxy as a whole follows, and hands it its connections. It answers for the
 * whole proxy by asking the parent.
 */
export class WorkerSeat implements Seat {
  readonly #port: Port
  readonly #clock: Clock
  readonly #metrics: Metrics
  readonly #asked = new Map<number, Asked>()
  readonly keepsModels = false
  #state: ProxyState
  #statuses: readonly Status[]
  #snapshot: Snapshot | null = null
  #serial = 0
  #hearing: Hearing | undefined
  #server: Server | undefined
  #lastAsked = 0
  /** What is shared with other data planes, once somebody listens. */
  hears: LeaseHearing | undefined

  constructor(
    { port, clock, metrics }: { port: Port; clock: Clock; metrics: Metrics },
    { config, statuses, state }: Extract<ToWorker, { to: 'welcome' }>,
  ) {
    this.#port = port
    this.#clock = clock
    this.#metrics = metrics
    this.#state = state
    this.#statuses = statuses
    if (config) this.#read(config)
  }

  openUsage(): Usage {
    return relayUsage(this.#clock, this.#metrics, (lines) => {
      return this.#port.postMessage({ from: 'records', lines } satisfies FromWorker)
    })
  }

  /** The other workers are data planes like those of other proxies. */
  openLeases(hearing: LeaseHearing): LeaseLane {
    this.hears = hearing
    return {
      say: (report) => this.#post({ from: 'leases', report }),
      cut: () => this.#state.cut,
      end: () => void (this.hears = undefined),
    }
  }

  get workers(): number {
    return this.#state.workers.wanted
  }

  follow(hearing: Hearing): { following: Following; end: () => void } {
    this.#hearing = hearing
    this.#apply('all')
    hearing.onStatus(this.#statuses)
    this.#statuses = []
    return { following: this.#following(), end: () => {} }
  }

  open(make: () => Server): Promise<Opened> {
    this.#server = make()
    // It listens nowhere. This is what makes node:http watch its connections' times.
    this.#server.emit('listening')
    return Promise.resolve({ servers: [this.#server], addresses: [] })
  }

  async metricsText(): Promise<string> {
    return (await this.#ask('metrics')) ?? this.#metrics.metrics()
  }

  backends = async (own: BackendHealth): Promise<BackendHealth> => {
    return (await this.#ask('backends')) ?? own
  }

  detail(): Readonly<Record<string, unknown>> {
    return { workers: this.#state.workers }
  }

  /** Of this worker alone. */
  load() {
    return this.#hearing?.load() ?? { requestsTotal: 0, inFlight: 0, rssBytes: 0 }
  }

  connection(id: number, socket: Socket | undefined): void {
    this.#post({ from: 'taken', id })
    if (!socket) return
    // As node:http sets up its own: a client may end its half once it has asked.
    socket.allowHalfOpen = true
    this.#server?.emit('connection', socket)
  }

  config(config: Config): void {
    const changed = this.#read(config)
    this.#apply(changed)
  }

  statuses(statuses: readonly Status[]): void {
    this.#hearing?.onStatus(statuses)
  }

  state(state: ProxyState): void {
    this.#state = state
  }

  answer(id: number, value: Answered[What]): void {
    this.#asked.get(id)?.resolve(value)
  }

  #read(config: Config) {
    this.#serial = config.serial
    if (config.kind === 'delta') {
      if (!this.#snapshot) throw new Error('a change of a configuration that was never told')
      this.#snapshot = applyDelta(this.#snapshot, shareDelta(config.delta, this.workers))
      return config.delta.resources.map(({ name, id }) => ({ resource: name, id }))
    }
    const decoded = decodeSnapshot(config.text)
    if (!decoded.ok) throw new Error(`the parent's snapshot cannot be read: ${decoded.error}`)
    this.#snapshot = shareSnapshot(decoded.value, this.workers)
    return 'all' as const
  }

  #apply(changed: Parameters<Hearing['onSnapshot']>[1]): void {
    if (!this.#snapshot || !this.#hearing) return
    const nacks = this.#hearing.onSnapshot(this.#snapshot, changed)
    this.#post({ from: 'serving', serial: this.#serial, nacks })
  }

  #following(): Following {
    return {
      // What routes here may be newer than the parent knows, never absent where it has something.
      state: () => ({ ...this.#state.following, configured: this.#snapshot !== null }),
      onChange: () => () => {},
      refused: () => {},
      drain: () => {},
      stop: () => Promise.resolve(),
    }
  }

  #ask<Wanted extends What>(what: Wanted): Promise<Answered[Wanted] | undefined> {
    if (this.#asked.size >= ASKED_MAX) return Promise.resolve(undefined)
    const id = ++this.#lastAsked
    return new Promise((resolve) => {
      const settle = (value: Answered[Wanted] | undefined) => {
        cancel()
        this.#asked.delete(id)
        resolve(value)
      }
      const cancel = this.#clock.after(ANSWER_MS, () => settle(undefined))
      this.#asked.set(id, { resolve: (value) => settle(value as Answered[Wanted]) })
      this.#post({ from: 'ask', id, what })
    })
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message)
  }
}
