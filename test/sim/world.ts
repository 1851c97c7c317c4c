import { createMetrics, silentLog } from '@signalbox/host'
import { encodeSnapshot, type Head, type Snapshot } from '@signalbox/model'
import { manualClock, seededRandom } from '@signalbox/testing'
import {
  type Changed,
  createHub,
  type Following,
  type Hub,
  type HubBus,
  type Lane,
} from '@signalbox/bus'
import { type Publisher, startPublisher } from '../../apps/admin-api/src/publisher.ts'
import { follow, type Machine } from '../../libs/bus/src/follow.ts'
import { step } from '../../libs/bus/src/follower.ts'
import { sign, trusts } from '../../libs/bus/src/snapshot.harness.ts'
import { TestLog } from '../../libs/bus/src/test-log.harness.ts'
import { SimDisk } from './sim-disk.ts'
import { SimStore } from './sim-store.ts'

/*
 * A seeded fleet in one process: a log that fails over, publishers that may be stale, a bus that
 * loses, doubles, reorders, forgets and is wiped, followers that crash and come back with a stale
 * or corrupt disk. Every step checks what must never be; once the faults stop, all must arrive.
 */

const FOLLOWERS = 3
const RETAINED = 8
const SNAPSHOT_EVERY = 6
const ADMINS = 2
const ENDING_STEPS_MAX = 30
/** Messages within one step of time. */
const CARRIED_MAX = 10_000
const TAIL_LOST_MAX = 3

type Random = () => number

interface Member {
  readonly disk: SimDisk
  readonly bus: HubBus
  following: Following | null
  served: Snapshot | null
}

/** One admin API: the publisher of production on a log, and a bus that fails it. */
interface Admin {
  readonly bus: HubBus
  readonly store: SimStore
  publisher: Publisher
}

/** Rules that are wrong on purpose, to show that somebody notices. */
export interface Wrong {
  readonly machine?: Machine
  readonly comparesAndSets?: boolean
}

export class World {
  readonly clock = manualClock()
  readonly #random: Random
  readonly #machine: Machine
  readonly #hub: Hub
  readonly #members: Member[]
  readonly #admins: Admin[]
  /** All state at every revision that was ever committed, in whichever history, by its hash. */
  readonly #committed = new Map<string, string>()
  #held: (() => void)[] = []
  #calm = false
  #carried = 0
  #log = new TestLog('lineage-1')
  #lineages = 1
  readonly violations: string[] = []
  /** What happened, in order, with the milliseconds since the beginning. */
  readonly trace: string[] = []
  /** How often each fault and each way of healing really happened. */
  readonly seen = new Map<string, number>()

  constructor(seed: number, { machine = step, comparesAndSets = true }: Wrong = {}) {
    this.#random = seededRandom(seed)
    this.#machine = machine
    this.#hub = createHub({
      clock: this.clock,
      retention: { revisionsMax: RETAINED },
      comparesAndSets,
      intercept: (lane, deliver) => this.#carry(lane, deliver),
    })
    this.#note(this.#log)
    this.#members = Array.from({ length: FOLLOWERS }, () => ({
      disk: new SimDisk(this.clock, this.#random),
      bus: this.#hub.connect(),
      following: null,
      served: null,
    }))
    this.#admins = Array.from({ length: ADMINS }, () => {
      const bus = this.#hub.connect()
      const store = new SimStore(this.#log, this.#random)
      return { bus, store, publisher: this.#startPublisher(bus, store) }
    })
    for (const member of this.#members) this.#start(member)
  }

  async misbehave(steps: number): Promise<void> {
    for (let i = 0; i < steps && this.violations.length === 0; i++) {
      this.#something()
      this.#release()
      await this.#pass(this.#random() * 1_500)
      this.#checkStream()
    }
  }

  /** Ends all faults; true once every follower serves the head and has it on disk. */
  async heal(stepsMax: number): Promise<boolean> {
    this.#calm = true
    this.#commit(1)
    for (const { store } of this.#admins) {
      store.log = this.#log
      store.calm = true
    }
    for (const { bus } of [...this.#members, ...this.#admins]) bus.setConnected(true)
    for (const member of this.#members) {
      member.disk.calm = true
      if (!member.following) this.#start(member)
    }
    for (let i = 0; i < stepsMax && this.violations.length === 0; i++) {
      this.#release()
      await this.#pass(1_000)
      if (this.#members.every((member) => this.#arrived(member))) return true
    }
    return false
  }

  async end(): Promise<void> {
    const followings = this.#members.map(({ following }) => following?.stop())
    const all = [...followings, ...this.#admins.map(({ publisher }) => publisher.stop())]
    let ended = false
    void Promise.all(all).finally(() => (ended = true))
    for (let i = 0; i < ENDING_STEPS_MAX && !ended; i++) {
      this.#release()
      await this.#pass(1_000)
    }
    // Those that were stopped on the way end with their deadlines.
    for (let i = 0; i < ENDING_STEPS_MAX && this.clock.pending() > 0; i++) await this.#pass(1_000)
  }

  describe(): string {
    const members = this.#members.map(({ following, served }) => ({
      ...following?.state(),
      head: served?.head,
    }))
    return JSON.stringify({ log: this.#log.head, members }, null, 1)
  }

  #arrived({ disk, served, following }: Member): boolean {
    const { hash } = this.#log.head
    const state = following?.state().state
    return served?.head.hash === hash && disk.durable.at(-1)?.head.hash === hash && state === 'live'
  }

  #something(): void {
    const dice = this.#random()
    const member = this.#pick(this.#members)
    const admin = this.#pick(this.#admins)
    if (dice < 0.4) return this.#commit(1 + Math.floor(this.#random() * 3))
    if (dice < 0.5) return this.#flip(this.#pick([member, admin]).bus)
    if (dice < 0.65) return member.following ? this.#crash(member) : this.#start(member)
    if (dice < 0.68) return this.#count('wipe', () => this.#hub.wipe())
    if (dice < 0.71) return this.#count('truncate', () => this.#truncate())
    if (dice < 0.76) return this.#count('fail-over', () => this.#failOver())
    if (dice < 0.77) return this.#count('lineage', () => this.#newLineage())
    if (dice < 0.87) admin.store.log = this.#log
    else if (dice < 0.9) this.#count('restart', () => this.#restart(admin))
  }

  #commit(count: number): void {
    this.#log.appendMany(count)
    this.#note(this.#log)
  }

  #note(log: TestLog): void {
    for (const snapshot of log.snapshots) {
      const { hash, lineage } = snapshot.head
      this.#committed.set(`${lineage} ${hash}`, stateOf(snapshot))
    }
  }

  #failOver(): void {
    const kept = this.#log.head.revision - Math.floor(this.#random() * (TAIL_LOST_MAX + 1))
    this.#log = this.#log.failOver(Math.max(0, kept))
  }

  #newLineage(): void {
    this.#lineages += 1
    this.#log = new TestLog(`lineage-${this.#lineages}`)
    this.#commit(1)
    // Two logs that are both in use under one fleet name is not a fault but a misconfiguration.
    for (const { store } of this.#admins) store.log = this.#log
  }

  #truncate(): void {
    this.#hub.truncate(this.#log.head.revision - 1 - Math.floor(this.#random() * TAIL_LOST_MAX))
  }

  #flip(bus: HubBus): void {
    this.#count('outage', () => bus.setConnected(!bus.connected()))
  }

  #crash(member: Member): void {
    this.#count('crash', () => void member.following?.stop())
    member.following = null
    member.served = null
    member.disk.crash()
  }

  #start(member: Member): void {
    const { bus, disk } = member
    const options = {
      bus,
      disk,
      trusts,
      clock: this.clock,
      random: this.#random,
      log: silentLog,
      identity: { id: 'p', role: 'proxy', labels: {}, version: 'dev' },
      onSnapshot: (snapshot: Snapshot, changed: Changed) => {
        this.#checkServed(member, snapshot)
        member.served = snapshot
        const nth = this.#members.indexOf(member)
        this.trace.push(`${this.clock.monotonicMs()} ${nth} serves ${showHead(snapshot.head)}`)
        if (changed === 'all' && snapshot.head.revision > 0) this.#count('snapshot', () => {})
        return []
      },
      load: () => null,
    } as const
    const following = follow(options, this.#machine)
    member.following = following
    following.onChange(() => this.#checkAcked(member, following))
  }

  #checkServed({ served }: Member, snapshot: Snapshot): void {
    const { lineage, hash, epoch, revision } = snapshot.head
    const expected = this.#committed.get(`${lineage} ${hash}`)
    if (expected !== stateOf(snapshot)) this.violations.push(`serves what is no prefix: ${hash}`)
    if (served?.head.lineage !== lineage) return
    const before = served.head
    const backwards = epoch < before.epoch || (epoch === before.epoch && revision < before.revision)
    if (backwards)
      this.violations.push(`goes from ${showHead(before)} to ${showHead(snapshot.head)}`)
  }

  /** What the stream holds is dense, and each message committed in one of the histories. */
  #checkStream(): void {
    let before: number | undefined
    for (const { lineage, hash, revision } of this.#hub.held()) {
      const known = this.#committed.has(`${lineage} ${hash}`)
      if (!known) this.violations.push(`the stream holds ${hash}, which nobody committed`)
      if (before !== undefined && revision !== before + 1) {
        this.violations.push(`the stream holds ${revision} after ${before}`)
      }
      before = revision
    }
  }

  #checkAcked({ disk }: Member, following: Following): void {
    const { received } = following.state()
    const known = received === 0 || disk.durable.some(({ head }) => head.revision === received)
    if (!known) this.violations.push(`acks ${received}, which its disk never had`)
  }

  #startPublisher(bus: HubBus, store: SimStore): Publisher {
    const problem = (_fields: object, what: string) => {
      if (what === 'publishing failed') this.violations.push(`a publisher failed`)
      else this.#count('rebuild', () => {})
    }
    return startPublisher({
      ...{ store, bus, sign, trusts, clock: this.clock, random: this.#random },
      log: { ...silentLog, error: problem },
      metrics: createMetrics(),
      snapshotRevisions: SNAPSHOT_EVERY,
    })
  }

  /** One process ends and another begins; what the first had under way may still arrive. */
  #restart(admin: Admin): void {
    void admin.publisher.stop()
    admin.publisher = this.#startPublisher(admin.bus, admin.store)
  }

  /** The fate of whatever travels. */
  #carry(lane: Lane, deliver: () => void): void {
    // Whoever asks again and again without a pause would stop the world.
    if (++this.#carried > CARRIED_MAX) {
      if (this.#carried === CARRIED_MAX + 1) this.violations.push('somebody asks without a pause')
      return
    }
    const dice = this.#random()
    const live = lane !== 'request' && lane !== 'answer'
    if (this.#calm || dice < 0.7) return deliver()
    if (dice < (live ? 0.85 : 0.73)) return this.#count('lost', () => {})
    if (dice < 0.9) this.#count('doubled', deliver)
    this.#held.push(deliver)
  }

  #release(): void {
    const held = this.#held
    this.#held = []
    while (held.length > 0) {
      const [deliver] = held.splice(Math.floor(this.#random() * held.length), 1)
      if (this.#calm || this.#random() < 0.5) deliver?.()
      else if (deliver) this.#held.push(deliver)
    }
  }

  /** All promises that can settle have settled when the next immediate runs. */
  async #pass(ms: number): Promise<void> {
    this.#carried = 0
    this.clock.advance(ms)
    await new Promise((resolve) => setImmediate(resolve))
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random() * items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  #count(what: string, act: () => void): void {
    this.trace.push(`${this.clock.monotonicMs()} ${what}`)
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
    act()
  }
}

/** Everything but the head's epoch at revision 0, which no message has stated. */
function stateOf(snapshot: Snapshot): string {
  return encodeSnapshot({ ...snapshot, head: { ...snapshot.head, epoch: 0 } })
}

function showHead({ lineage, epoch, revision }: Head): string {
  return `${lineage}/${epoch}/${revision}`
}
