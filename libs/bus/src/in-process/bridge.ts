import { type Cancel, type Clock, systemClock } from '@signalbox/host'
import {
  type Head,
  type Heartbeat,
  type LeaseReport,
  type RevisionMessage,
  type Spending,
  type StatusTable,
} from '@signalbox/model'
import {
  type Bus,
  BusUnavailable,
  type FetchOutcome,
  type OpenedLog,
  type PublishOutcome,
  REQUEST_DEADLINE_MS,
  type SignedManifest,
  type StoredChunk,
  type StoreUsage,
  type Unsubscribe,
  type UsageBatch,
} from '../bus.ts'
import { listeners } from '../listeners.ts'
import { requireFits } from '../stream-rules.ts'
import {
  type Call,
  type ChunkOnWire,
  fromWire,
  type Heard,
  type Sent,
  type ToChild,
  type ToParent,
  toWire,
} from './bridge-wire.ts'
import { ChildStores } from './child-stores.ts'
import { type Hub } from './hub.ts'
import { type Port } from './port.ts'

/*
 * The hub over a process boundary: the parent serves, children connect. The channel may carry other
 * messages as well; ours have a member `bus`. The parent sends a child only what it listens to.
 */

/** Requests of one child that wait for an answer. */
const PENDING_MAX = 256

export interface Bridge {
  /** Messages that the child did not take in time: live ones, which may get lost, and answers. */
  shed(): number
  stop(): void
}

/** Lets the process at the other end of the port use the hub, until it goes or stop() is called. */
export function serveBridge(hub: Hub, port: Port): Bridge {
  const bus = hub.connect()
  const heard = new Map<Heard, Cancel>()
  const usage = new ChildStores((message) => port.postMessage(message), PENDING_MAX)
  let shed = 0
  const post = (message: ToChild) => {
    if (!port.postMessage(message)) shed += 1
  }
  const stop = () => {
    for (const cancel of [...heard.values(), ...cancels]) cancel()
    heard.clear()
    usage.end()
    void bus.close()
  }
  const take = (message: ToParent) => {
    if (message.bus === 'hello') post({ bus: 'connected', connected: bus.connected() })
    else if (message.bus === 'bye') stop()
    else if (message.bus === 'send') sendOn(bus, message.lane, message.value)
    else if (message.bus === 'ask') void answer(bus, message).then(post)
    else if (message.bus === 'stores') usage.set(bus, message.on)
    else if (message.bus === 'stored') usage.settle(message)
    else if (message.bus === 'hear') {
      const { lane } = message
      heard.get(lane)?.()
      heard.delete(lane)
      if (message.on) {
        heard.set(
          lane,
          hearFrom(bus, lane, (value) => post({ bus: 'event', lane, value })),
        )
      }
    }
  }
  const cancels = [
    port.onMessage((value) => isOurs(value) && take(value as ToParent)),
    port.onClose(stop),
    bus.onConnection((connected) => post({ bus: 'connected', connected })),
  ]
  return { shed: () => shed, stop }
}

function sendOn(bus: Bus, lane: Sent, value: unknown): void {
  switch (lane) {
    case 'beacon':
      return bus.publishBeacon(value as Head)
    case 'heartbeat':
      return bus.sendHeartbeat(value as Heartbeat)
    case 'status':
      return bus.sendStatus(value as StatusTable)
    case 'leases':
      return bus.sendLeases(value as LeaseReport)
    case 'spending':
      return bus.sendSpending(value as Spending)
    case 'asked':
      return bus.askAround()
  }
}

function hearFrom(bus: Bus, lane: Heard, post: (value?: unknown) => void): Cancel {
  switch (lane) {
    case 'revision':
      return bus.onRevision(post)
    case 'beacon':
      return bus.onBeacon(post)
    case 'heartbeat':
      return bus.onHeartbeat(post)
    case 'status':
      return bus.onStatus(post)
    case 'leases':
      return bus.onLeases(post)
    case 'spending':
      return bus.onSpending(post)
    case 'asked':
      return bus.onAsked(post)
  }
}

async function answer(bus: Bus, ask: Extract<ToParent, { bus: 'ask' }>): Promise<ToChild> {
  const { id } = ask
  try {
    return { bus: 'answer', id, value: await run(bus, ask.call, ask.value) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { bus: 'refuse', id, message, unavailable: error instanceof BusUnavailable }
  }
}

function run(bus: Bus, call: Call, value: unknown): Promise<unknown> {
  switch (call) {
    case 'openStream':
      return bus.openStream(value as OpenedLog)
    case 'publishRevision':
      return bus.publishRevision(value as RevisionMessage)
    case 'publishChunk': {
      const { hash, data } = value as ChunkOnWire
      return bus.publishChunk({ hash, data: fromWire(data) })
    }
    case 'publishManifest': {
      const { next, base } = value as { next: SignedManifest; base: SignedManifest | null }
      return bus.publishManifest(next, base)
    }
    case 'revisions':
      return bus.revisions(value as { from: number; to: number })
    case 'latestManifest':
      return bus.latestManifest()
    case 'snapshotChunk':
      return bus.snapshotChunk(value as string).then((data) => data && toWire(data))
    case 'deliverUsage':
      return bus.deliverUsage(value as UsageBatch)
  }
}

/** The bus of a child whose parent runs serveBridge(). The parent's death is a lost connection. */
export function connectBridge(port: Port, clock: Clock = systemClock): Bus {
  return new BridgeBus(port, clock)
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: Error) => void
}

class BridgeBus implements Bus {
  readonly #port: Port
  readonly #clock: Clock
  readonly #cancels: readonly Cancel[]
  readonly #pending = new Map<number, Pending>()
  readonly #connection = listeners<boolean>()
  readonly #lanes = {
    revision: this.#lane<RevisionMessage>('revision'),
    beacon: this.#lane<Head>('beacon'),
    heartbeat: this.#lane<Heartbeat>('heartbeat'),
    status: this.#lane<StatusTable>('status'),
    leases: this.#lane<LeaseReport>('leases'),
    spending: this.#lane<Spending>('spending'),
    asked: this.#lane<void>('asked'),
  }
  readonly #stores = new Set<{ readonly store: StoreUsage }>()
  #connected = false
  #nextId = 1

  constructor(port: Port, clock: Clock) {
    this.#port = port
    this.#clock = clock
    this.#cancels = [
      port.onMessage((value) => isOurs(value) && this.#take(value as ToChild)),
      port.onClose(() => this.#setConnected(false)),
    ]
    this.#post({ bus: 'hello' })
  }

  connected = (): boolean => this.#connected
  onConnection = this.#connection.add
  onRevision = this.#lanes.revision.add
  onBeacon = this.#lanes.beacon.add
  onHeartbeat = this.#lanes.heartbeat.add
  onStatus = this.#lanes.status.add
  onLeases = this.#lanes.leases.add
  onSpending = this.#lanes.spending.add
  onAsked = this.#lanes.asked.add

  openStream(log: OpenedLog): Promise<Head> {
    return this.#ask('openStream', log)
  }

  async publishRevision(message: RevisionMessage): Promise<PublishOutcome> {
    requireFits(message)
    return this.#ask('publishRevision', message)
  }

  async publishChunk({ hash, data }: StoredChunk): Promise<void> {
    await this.#ask('publishChunk', { hash, data: toWire(data) })
  }

  publishManifest(next: SignedManifest, base: SignedManifest | null): Promise<PublishOutcome> {
    return this.#ask('publishManifest', { next, base })
  }

  revisions(range: { readonly from: number; readonly to: number }): Promise<FetchOutcome> {
    return this.#ask('revisions', { from: range.from, to: range.to })
  }

  latestManifest(): Promise<SignedManifest | null> {
    return this.#ask('latestManifest', undefined)
  }

  async snapshotChunk(hash: string): Promise<Uint8Array | null> {
    const data = await this.#ask<string | null>('snapshotChunk', hash)
    return data === null ? null : fromWire(data)
  }

  publishBeacon(head: Head): void {
    this.#post({ bus: 'send', lane: 'beacon', value: head })
  }

  sendHeartbeat(heartbeat: Heartbeat): void {
    this.#post({ bus: 'send', lane: 'heartbeat', value: heartbeat })
  }

  sendStatus(table: StatusTable): void {
    this.#post({ bus: 'send', lane: 'status', value: table })
  }

  sendLeases(report: LeaseReport): void {
    this.#post({ bus: 'send', lane: 'leases', value: report })
  }

  sendSpending(spending: Spending): void {
    this.#post({ bus: 'send', lane: 'spending', value: spending })
  }

  askAround(): void {
    this.#post({ bus: 'send', lane: 'asked' })
  }

  async deliverUsage({ proxy, id, text }: UsageBatch): Promise<void> {
    await this.#ask('deliverUsage', { proxy, id, text })
  }

  onUsage(store: StoreUsage): Unsubscribe {
    const entry = { store }
    this.#stores.add(entry)
    if (this.#stores.size === 1) this.#post({ bus: 'stores', on: true })
    return () => {
      const last = this.#stores.delete(entry) && this.#stores.size === 0
      if (last) this.#post({ bus: 'stores', on: false })
    }
  }

  close(): Promise<void> {
    this.#post({ bus: 'bye' })
    for (const cancel of this.#cancels) cancel()
    this.#connected = false
    this.#rejectAll()
    return Promise.resolve()
  }

  #lane<Value>(lane: Heard) {
    return listeners<Value>((on) => this.#post({ bus: 'hear', lane, on }))
  }

  #post(message: ToParent): boolean {
    return this.#port.postMessage(message)
  }

  #take(message: ToChild): void {
    if (message.bus === 'connected') return this.#setConnected(message.connected)
    if (message.bus === 'event') {
      // The lane's name decides the value's type, which TypeScript cannot see here.
      const lane = this.#lanes[message.lane] as { emit(value: unknown): void }
      return lane.emit(message.value)
    }
    if (message.bus === 'store') return void this.#store(message)
    const pending = this.#pending.get(message.id)
    if (message.bus === 'answer') pending?.resolve(message.value)
    else pending?.reject(makeError(message))
  }

  async #store({ id, value }: Extract<ToChild, { bus: 'store' }>): Promise<void> {
    const [entry] = this.#stores
    const stored = entry ? await entry.store(value).then(...SETTLED) : false
    this.#post({ bus: 'stored', id, ok: stored })
  }

  #setConnected(connected: boolean): void {
    if (connected === this.#connected) return
    this.#connected = connected
    if (!connected) this.#rejectAll()
    this.#connection.emit(connected)
  }

  #ask<Answer>(call: Call, value: unknown): Promise<Answer> {
    if (!this.#connected || this.#pending.size >= PENDING_MAX) {
      const why = this.#connected ? 'too many requests wait' : 'not connected'
      return Promise.reject(new BusUnavailable(why))
    }
    const id = this.#nextId++
    return new Promise<Answer>((resolve, reject) => {
      const settle = () => {
        cancel()
        this.#pending.delete(id)
      }
      const fail = (reason: Error) => {
        settle()
        reject(reason)
      }
      const cancel = this.#clock.after(REQUEST_DEADLINE_MS, () =>
        fail(new BusUnavailable(`no answer within ${REQUEST_DEADLINE_MS} ms`)),
      )
      const succeed = (answer: unknown) => {
        settle()
        resolve(answer as Answer)
      }
      this.#pending.set(id, { resolve: succeed, reject: fail })
      const taken = this.#post({ bus: 'ask', id, call, value })
      if (!taken) fail(new BusUnavailable('the parent process does not read'))
    })
  }

  #rejectAll(): void {
    for (const { reject } of [...this.#pending.values()]) {
      reject(new BusUnavailable('connection lost'))
    }
  }
}

const SETTLED = [() => true, () => false] as const

function makeError({ message, unavailable }: Extract<ToChild, { bus: 'refuse' }>): Error {
  return unavailable ? new BusUnavailable(message) : new Error(message)
}

function isOurs(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'bus' in value
}
