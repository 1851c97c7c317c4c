import { type Clock } from '@signalbox/host'
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
import { belongs, judgeStream, requireFits, type StreamOwner } from '../stream-rules.ts'
import { SnapshotShelf } from './snapshot-shelf.ts'
import { type Retention, RevisionStream } from './stream.ts'

/** A follower further behind takes a snapshot. The embedded start's memory depends on it. */
const REVISIONS_MAX = 4_096
const RETAINED_BYTES_MAX = 64 * 1024 * 1024

/** Everything that travels, by kind. */
export type Lane =
  | 'revision'
  | 'beacon'
  | 'heartbeat'
  | 'status'
  | 'leases'
  | 'spending'
  | 'asked'
  | 'request'
  | 'answer'

/**
 * Stands between sender and receiver: calls deliver once, or (to break things) never, twice, later.
 */
export type Intercept = (lane: Lane, deliver: () => void) => void

export interface HubOptions {
  readonly clock: Clock
  readonly retention?: Partial<Retention>
  readonly intercept?: Intercept
  /** False: appends whatever comes. For proving that tests notice what that leads to. */
  readonly comparesAndSets?: boolean
}

/** The bus of one process, and of its children over serveBridge(). Lost with the process. */
export interface Hub {
  connect(): HubBus
  /** Forgets everything, as a broker does whose disk was lost. */
  wipe(): void
  /** Forgets the revisions after this one. */
  truncate(revision: number): void
  /** What the stream holds, oldest first. */
  held(): readonly RevisionMessage[]
}

export interface HubBus extends Bus {
  /** Cuts this client off, or lets it come back. */
  setConnected(connected: boolean): void
}

export function createHub({
  clock,
  retention,
  intercept,
  comparesAndSets = true,
}: HubOptions): Hub {
  const hub = new HubState({
    clock,
    retention: { revisionsMax: REVISIONS_MAX, bytesMax: RETAINED_BYTES_MAX, ...retention },
    intercept: intercept ?? ((_lane, deliver) => deliver()),
    comparesAndSets,
  })
  return {
    connect: () => new Client(hub),
    wipe: () => {
      hub.stream = null
      hub.shelf = new SnapshotShelf()
    },
    truncate: (revision) => hub.stream?.truncate(revision),
    held: () => hub.stream?.held ?? [],
  }
}

class HubState {
  readonly clients = new Set<Client>()
  readonly clock: Clock
  readonly #retention: Retention
  readonly #intercept: Intercept
  readonly #comparesAndSets: boolean
  stream: RevisionStream | null = null
  shelf = new SnapshotShelf()
  #turn = 0

  constructor(options: Required<HubOptions> & { readonly retention: Retention }) {
    this.#comparesAndSets = options.comparesAndSets
    this.clock = options.clock
    this.#retention = options.retention
    this.#intercept = options.intercept
  }

  pass(lane: Lane, deliver: () => void): void {
    queueMicrotask(() => this.#intercept(lane, deliver))
  }

  broadcast(lane: Lane, deliver: (client: Client) => void): void {
    for (const client of this.clients) this.pass(lane, () => client.connected() && deliver(client))
  }

  /** Each batch goes to one of those who store, in turn. */
  storeUsage(batch: UsageBatch): Promise<void> {
    const stores = [...this.clients].flatMap((one) => (one.connected() ? [...one.stores] : []))
    const entry = stores[this.#turn++ % stores.length]
    return entry ? entry.store(batch) : Promise.reject(new BusUnavailable('nobody stores usage'))
  }

  openStream(log: OpenedLog): Head {
    const verdict = judgeStream(this.stream?.owner ?? null, log)
    if (verdict === 'keep' && this.stream) return this.stream.end
    this.shelf = new SnapshotShelf()
    const { lineage, epoch } = log
    this.stream = new RevisionStream({ lineage, epoch }, this.#retention, this.#comparesAndSets)
    return this.stream.end
  }

  publish(message: RevisionMessage, opened: StreamOwner | null): PublishOutcome {
    // Like a broker: only the sequence is compared, not who made the stream that there is now.
    if (!belongs(message, opened) || !this.stream?.append(message)) return { kind: 'conflict' }
    this.broadcast('revision', (client) => client.revision.emit(message))
    return { kind: 'stored' }
  }
}

class Client implements HubBus {
  readonly revision = listeners<RevisionMessage>()
  readonly beacon = listeners<Head>()
  readonly heartbeat = listeners<Heartbeat>()
  readonly status = listeners<StatusTable>()
  readonly leases = listeners<LeaseReport>()
  readonly spending = listeners<Spending>()
  readonly asked = listeners<void>()
  readonly stores = new Set<{ readonly store: StoreUsage }>()
  readonly #connection = listeners<boolean>()
  readonly #hub: HubState
  readonly #pending = new Set<(reason: BusUnavailable) => void>()
  #connected = true
  #opened: StreamOwner | null = null

  constructor(hub: HubState) {
    this.#hub = hub
    hub.clients.add(this)
  }

  connected = () => this.#connected
  onConnection = this.#connection.add
  onRevision = this.revision.add
  onBeacon = this.beacon.add
  onHeartbeat = this.heartbeat.add
  onStatus = this.status.add
  onLeases = this.leases.add
  onSpending = this.spending.add
  onAsked = this.asked.add

  setConnected(connected: boolean): void {
    if (connected === this.#connected || !this.#hub.clients.has(this)) return
    this.#connected = connected
    if (!connected) this.#rejectAll()
    queueMicrotask(() => this.#connection.emit(connected))
  }

  openStream(log: OpenedLog): Promise<Head> {
    return this.#ask(() => {
      const end = this.#hub.openStream(log)
      this.#opened = { lineage: log.lineage, epoch: log.epoch }
      return end
    })
  }

  async publishRevision(message: RevisionMessage): Promise<PublishOutcome> {
    requireFits(message)
    return this.#ask(() => this.#hub.publish(message, this.#opened))
  }

  publishChunk(chunk: StoredChunk): Promise<void> {
    return this.#ask(() => this.#hub.shelf.put(chunk))
  }

  publishManifest(next: SignedManifest, base: SignedManifest | null): Promise<PublishOutcome> {
    return this.#ask(() => this.#hub.shelf.replace(next, base))
  }

  revisions(range: { readonly from: number; readonly to: number }): Promise<FetchOutcome> {
    return this.#ask(() => this.#hub.stream?.read(range) ?? { kind: 'found', messages: [] })
  }

  latestManifest(): Promise<SignedManifest | null> {
    return this.#ask(() => this.#hub.shelf.manifest)
  }

  snapshotChunk(hash: string): Promise<Uint8Array | null> {
    return this.#ask(() => this.#hub.shelf.chunk(hash))
  }

  publishBeacon(head: Head): void {
    this.#send('beacon', (client) => client.beacon.emit(head))
  }

  sendHeartbeat(heartbeat: Heartbeat): void {
    this.#send('heartbeat', (client) => client.heartbeat.emit(heartbeat))
  }

  sendStatus(table: StatusTable): void {
    this.#send('status', (client) => client.status.emit(table))
  }

  sendLeases(report: LeaseReport): void {
    this.#send('leases', (client) => client.leases.emit(report))
  }

  sendSpending(spending: Spending): void {
    this.#send('spending', (client) => client.spending.emit(spending))
  }

  askAround(): void {
    this.#send('asked', (client) => client.asked.emit())
  }

  async deliverUsage(batch: UsageBatch): Promise<void> {
    await this.#ask(() => this.#hub.storeUsage(batch).catch(unavailable))
  }

  onUsage(store: StoreUsage): Unsubscribe {
    const entry = { store }
    this.stores.add(entry)
    return () => void this.stores.delete(entry)
  }

  close(): Promise<void> {
    this.#connected = false
    this.#hub.clients.delete(this)
    this.#rejectAll()
    return Promise.resolve()
  }

  #send(lane: Lane, deliver: (client: Client) => void): void {
    if (this.#connected) this.#hub.broadcast(lane, deliver)
  }

  #ask<Answer>(work: () => Answer | Promise<Answer>): Promise<Answer> {
    if (!this.#connected) return Promise.reject(new BusUnavailable('not connected'))
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        cancel()
        this.#pending.delete(fail)
        act()
      }
      const fail = (reason: unknown) => settle(() => reject(reason))
      const cancel = this.#hub.clock.after(REQUEST_DEADLINE_MS, () =>
        fail(new BusUnavailable(`no answer within ${REQUEST_DEADLINE_MS} ms`)),
      )
      this.#pending.add(fail)
      this.#hub.pass('request', () => {
        const answered = (answer: Answer) =>
          this.#hub.pass('answer', () => settle(() => resolve(answer)))
        const failed = (error: unknown) => this.#hub.pass('answer', () => fail(error))
        try {
          const answer = work()
          if (answer instanceof Promise) answer.then(answered, failed)
          else answered(answer)
        } catch (error) {
          failed(error)
        }
      })
    })
  }

  #rejectAll(): void {
    for (const reject of [...this.#pending]) reject(new BusUnavailable('connection lost'))
  }
}

/** Whatever the storing end says, to the sender it means: not now. */
function unavailable(error: unknown): never {
  if (error instanceof BusUnavailable) throw error
  throw new BusUnavailable('the batch was not stored', { cause: error })
}
