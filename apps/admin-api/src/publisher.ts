import { type Bus, BusUnavailable, type Sign, type Trusts } from '@signalbox/bus'
import { type Cancel, type Clock, gaugesOf, type Log, type Metrics } from '@signalbox/host'
import { type Head, type Heartbeat } from '@signalbox/model'
import { DatabaseUnavailable, type Store } from '@signalbox/store'
import { afterEpoch, afterHeartbeat, type Claims, lostTail, NO_CLAIMS } from './lost-tail.ts'
import { Snapshots } from './snapshots.ts'

const POLL_MS = 250
const BATCH = 64
const BEACON_MS = 2_000
const SNAPSHOT_REVISIONS = 256
const SNAPSHOT_MS = 60_000
/** A stream that was lost without a word is noticed after so long. */
const REOPEN_MS = 30_000
const BACKOFF_MIN_MS = 250
const BACKOFF_MAX_MS = 10_000

export interface PublisherDeps {
  readonly store: Pick<
    Store,
    'head' | 'keepEpoch' | 'messagesAfter' | 'onAppend' | 'toPublish' | 'visitToPublish'
  >
  readonly bus: Bus
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly sign: Sign
  readonly trusts: Trusts
  /** Where others ask for snapshots, too: one at a time is made in a process. */
  readonly snapshots?: Snapshots
  /** Revisions from one snapshot to the next, where there are so many within a minute. */
  readonly snapshotRevisions?: number
}

export interface Publisher {
  /** Publishes what is there to publish, as far as that goes, and stops. */
  stop(): Promise<void>
}

/**
 * Follows the log and makes the bus have it. The stream is a cache: where it ends is asked of it,
 * not remembered over a surprise, and asked again now and then; compare-and-set lets any number of
 * publishers race. A stream whose end is not our log's revision of that number is rebuilt. Whoever
 * has more than the log has shows that it lost its tail, and a new epoch begins: the stream at
 * once, members by the rules of lost-tail.ts. One loop, woken by appends, polling anyway.
 */
export function startPublisher(deps: PublisherDeps): Publisher {
  return new Loop(deps)
}

class Loop implements Publisher {
  readonly #deps: PublisherDeps
  readonly #snapshots: Snapshots
  readonly #ends: (() => void)[]
  #published: Head | null = null
  /** Which connection `#published` was learned on, and when. */
  #connection = 0
  #openedAtMs = 0
  /** Where the stream ended when it was last looked at. */
  #reached = 0
  #snapshotAt: { revision: number; atMs: number } | null = null
  #snapshotting: Promise<void> | null = null
  /** How often the snapshot was lost with the stream beside it. */
  #losses = 0
  /** When one failed: the next one is not tried at once. */
  #snapshotFailedAtMs = -Infinity
  #head: Head | null = null
  /** Who says that it has come further than the log that we know. */
  #claims: Claims = NO_CLAIMS
  #failures = 0
  #cancelNext: Cancel = () => {}
  #running: Promise<void> | null = null
  #again = false
  #stopped = false

  constructor(deps: PublisherDeps) {
    this.#deps = deps
    this.#snapshots = deps.snapshots ?? new Snapshots(deps)
    const { store, bus, clock, metrics } = deps
    registerGauges(metrics, {
      head: () => this.#head?.revision ?? 0,
      published: () => this.#published?.revision ?? 0,
      snapshot: () => this.#snapshotAt?.revision ?? 0,
    })
    this.#ends = [
      store.onAppend(() => this.#wake()),
      bus.onHeartbeat((heartbeat) => this.#hear(heartbeat)),
      bus.onConnection((connected) => {
        this.#published = null
        this.#connection++
        this.#snapshotFailedAtMs = -Infinity
        if (connected) this.#wake()
      }),
      clock.every(BEACON_MS, () => {
        if (this.#published && bus.connected()) bus.publishBeacon(this.#published)
      }),
    ]
    this.#wake()
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    this.#cancelNext()
    this.#stopped = true
    this.#snapshots.abort('the admin API stops')
    await this.#snapshotting
    await this.#running
    // What was committed during the last turn.
    if (this.#failures === 0 && this.#deps.bus.connected()) await this.#turn()
  }

  #wake(): void {
    if (this.#stopped) return
    if (this.#running) {
      this.#again = true
      return
    }
    this.#cancelNext()
    this.#running = this.#turn().finally(() => {
      this.#running = null
      if (this.#stopped) return
      const soon = this.#again && this.#failures === 0
      this.#again = false
      if (soon) this.#wake()
      else this.#cancelNext = this.#deps.clock.after(this.#delayMs(), () => this.#wake())
    })
  }

  #delayMs(): number {
    if (this.#failures === 0) return POLL_MS
    const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures)
    return BACKOFF_MIN_MS + this.#deps.random() * (most - BACKOFF_MIN_MS)
  }

  async #turn(): Promise<void> {
    const { bus, log } = this.#deps
    const before = this.#published
    try {
      await this.#publishAll()
      this.#failures = 0
      const now = this.#published
      if (now && now.revision !== before?.revision) bus.publishBeacon(now)
    } catch (error) {
      this.#published = null
      this.#failures++
      const expected = error instanceof BusUnavailable || error instanceof DatabaseUnavailable
      const cause = error instanceof Error ? error.message : 'unknown'
      const facts = { cause, failures: this.#failures }
      if (expected) log.warn(facts, 'cannot publish now')
      else log.error(facts, 'publishing failed')
    }
  }

  async #publishAll(): Promise<void> {
    const { store, bus, clock } = this.#deps
    const connection = this.#connection
    let head = await this.#headWith(this.#claims)
    const known = clock.monotonicMs() - this.#openedAtMs < REOPEN_MS ? this.#published : null
    let published = known ?? (await this.#open(head))
    while (published.revision < (this.#head ?? head).revision) {
      const messages = await store.toPublish(published.revision, BATCH)
      if (messages.length === 0) break
      for (const message of messages) {
        const outcome = await bus.publishRevision(message)
        if (outcome.kind === 'conflict') {
          // Perhaps the log is another one by now (a backup was restored): asked anew each time.
          head = await this.#headWith(this.#claims)
          published = await this.#open(head)
          break
        }
        const { lineage, epoch, revision, hash } = message
        published = { lineage, epoch, revision, hash }
      }
    }
    this.#reached = published.revision
    if (connection === this.#connection) this.#published = published
    this.#publishSnapshot(published.revision)
  }

  /**
   * Where the log ends. What was seen was so before the log is asked: it had been committed, so
   * that a log that ends earlier has lost it.
   */
  async #headWith(claims: Claims): Promise<Head> {
    const { store, clock } = this.#deps
    let head = await store.head()
    const seen = lostTail(claims, head, clock.monotonicMs())
    if (seen && (await this.#beginEpoch(seen))) {
      this.#claims = afterEpoch(clock.monotonicMs())
      head = await store.head()
    }
    this.#head = head
    return head
  }

  async #beginEpoch(seen: Head | null): Promise<boolean> {
    const reason = await this.#deps.store.keepEpoch({ kind: 'seen', head: seen })
    if (reason === null) return false
    this.#published = null
    this.#deps.log.error({ reason }, 'a new epoch of the log begins')
    return true
  }

  #hear(heartbeat: Heartbeat): void {
    if (!this.#head) return
    const nowMs = this.#deps.clock.monotonicMs()
    this.#claims = afterHeartbeat(this.#claims, heartbeat, { head: this.#head, nowMs })
    if (lostTail(this.#claims, this.#head, nowMs)) this.#wake()
  }

  /** Asks the stream where it ends; rebuilds it where that is not in our log. */
  async #open(asked: Head): Promise<Head> {
    const { bus, store, log, clock } = this.#deps
    // Another server may have taken over; only after that may anybody publish.
    let head = (await this.#beginEpoch(null)) ? await store.head() : asked
    let end = await bus.openStream(head)
    this.#openedAtMs = clock.monotonicMs()
    if (isAhead(end, head) && (await this.#beginEpoch(end))) {
      head = await store.head()
      end = await bus.openStream(head)
    }
    this.#head = head
    // It lost what it had; the snapshot beside it may be gone as well.
    if (end.revision < this.#reached) this.#loseSnapshot()
    if (end.revision === 0 || (await this.#isOurs(end))) return end
    log.error({ revision: end.revision }, 'the stream is not a part of the log: rebuilding it')
    this.#loseSnapshot()
    return bus.openStream({ ...head, rebuild: true })
  }

  #loseSnapshot(): void {
    this.#snapshotAt = null
    this.#losses++
    this.#snapshots.abort('the stream was lost')
  }

  async #isOurs(end: Head): Promise<boolean> {
    const [message] = await this.#deps.store.messagesAfter(end.revision - 1, 1)
    return message?.revision === end.revision && message.hash === end.hash
  }

  /** Beside the turns: a large snapshot takes a minute, and revisions do not wait for it. */
  #publishSnapshot(revision: number): void {
    const { clock, log, snapshotRevisions = SNAPSHOT_REVISIONS } = this.#deps
    if (this.#snapshotting || this.#stopped) return
    const before = this.#snapshotAt
    const nowMs = clock.monotonicMs()
    const ageMs = before ? nowMs - before.atMs : Infinity
    const since = before ? revision - before.revision : Infinity
    if (since < snapshotRevisions && (since === 0 || ageMs < SNAPSHOT_MS)) return
    if (nowMs - this.#snapshotFailedAtMs < BACKOFF_MAX_MS) return
    const losses = this.#losses
    this.#snapshotting = this.#snapshots
      .publish()
      .then((at) => {
        // One that was begun on a stream that was lost since lies beside it no more.
        if (losses === this.#losses) this.#snapshotAt = { revision: at, atMs: clock.monotonicMs() }
      })
      .catch((error: unknown) => {
        this.#snapshotFailedAtMs = clock.monotonicMs()
        const cause = error instanceof Error ? error.message : 'unknown'
        if (!this.#stopped) log.warn({ cause }, 'no snapshot was made')
      })
      .finally(() => (this.#snapshotting = null))
  }
}

/** Whether a revision of the same log and epoch lies behind another's end. */
function isAhead(one: Head, other: Head): boolean {
  const same = one.lineage === other.lineage && one.epoch === other.epoch
  return same && one.revision > other.revision
}

function registerGauges(
  metrics: Metrics,
  read: Readonly<Record<'head' | 'published' | 'snapshot', () => number>>,
): void {
  const gauge = gaugesOf(metrics)
  gauge('signalbox_log_head_revision', 'Newest revision of the log', read.head)
  gauge('signalbox_publisher_lag_revisions', 'Revisions that the bus does not have yet', () =>
    Math.max(0, read.head() - read.published()),
  )
  gauge('signalbox_snapshot_revision', 'Revision of the snapshot made last', read.snapshot)
}
