import { type Clock, silentLog } from '@signalbox/host'
import { encodeSnapshot, err, type Head, ok, type Result, type Snapshot } from '@signalbox/model'
import { manualClock, seededRandom } from '@signalbox/testing'
import { type Bus, BusUnavailable } from './bus.ts'
import { type DiskCopy, type Loaded } from './disk-copy.ts'
import { follow, type Following, type Machine } from './follow.ts'
import { createHub, type Hub, type HubBus, type Lane } from './in-process/hub.ts'
import { step } from './follower.ts'
import { TestLog } from './test-log.harness.ts'

/*
 * A seeded fleet in one process: a log that fails over, publishers that may be stale, a bus that
 * loses, doubles, reorders, forgets and is wiped, followers that crash and come back with a stale
 * or corrupt disk. Every step checks what must never be; once the faults stop, all must arrive.
 */

const FOLLOWERS = 3
const RETAINED = 8
const SNAPSHOT_EVERY = 12
const TAIL_LOST_MAX = 3

type Random = () => number

/** Disk of one follower: saves take time, fail, and may or may not survive a crash. */
class SimDisk implements DiskCopy {
  readonly durable: Snapshot[] = []
  readonly #clock: Clock
  readonly #random: Random
  calm = false
  #incarnation = 0

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  crash(): void {
    this.#incarnation += 1
    if (this.#random() < 0.2) this.durable.pop()
    if (this.#random() < 0.1) this.durable.length = 0
  }

  load(): Promise<Loaded> {
    return Promise.resolve({ snapshot: this.durable.at(-1) ?? null, problems: [] })
  }

  save(snapshot: Snapshot): Promise<Result<void, string>> {
    if (!this.calm && this.#random() < 0.05) return Promise.resolve(err('no space left'))
    const incarnation = this.#incarnation
    return new Promise((resolve) => {
      this.#clock.after(this.#random() * 300, () => {
        if (incarnation !== this.#incarnation) return
        this.durable.push(snapshot)
        resolve(ok(undefined))
      })
    })
  }
}

interface Member {
  readonly disk: SimDisk
  readonly bus: HubBus
  following: Following | null
  served: Snapshot | null
}

interface Publisher {
  readonly bus: HubBus
  log: TestLog
  busy: boolean
}

export class World {
  readonly clock = manualClock()
  readonly #random: Random
  readonly #machine: Machine
  readonly #hub: Hub
  readonly #members: Member[]
  readonly #publishers: Publisher[]
  /** All state at every revision that was ever committed, in whichever history, by its hash. */
  readonly #committed = new Map<string, string>()
  #held: (() => void)[] = []
  #calm = false
  #log = new TestLog('lineage-1')
  #lineages = 1
  readonly violations: string[] = []
  /** How often each fault and each way of healing really happened. */
  readonly seen = new Map<string, number>()

  constructor(seed: number, machine: Machine = step) {
    this.#random = seededRandom(seed)
    this.#machine = machine
    this.#hub = createHub({
      clock: this.clock,
      retention: { revisionsMax: RETAINED },
      intercept: (lane, deliver) => this.#carry(lane, deliver),
    })
    this.#note(this.#log)
    this.#members = Array.from({ length: FOLLOWERS }, () => ({
      disk: new SimDisk(this.clock, this.#random),
      bus: this.#hub.connect(),
      following: null,
      served: null,
    }))
    this.#publishers = Array.from({ length: 2 }, () => ({
      bus: this.#hub.connect(),
      log: this.#log,
      busy: false,
    }))
    for (const member of this.#members) this.#start(member)
  }

  async misbehave(steps: number): Promise<void> {
    for (let i = 0; i < steps && this.violations.length === 0; i++) {
      this.#something()
      for (const publisher of this.#publishers) this.#publish(publisher)
      this.#release()
      await this.#pass(this.#random() * 1_500)
    }
  }

  /** Ends all faults; true once every follower serves the head and has it on disk. */
  async heal(stepsMax: number): Promise<boolean> {
    this.#calm = true
    this.#commit(1)
    for (const publisher of this.#publishers) publisher.log = this.#log
    for (const { bus } of [...this.#members, ...this.#publishers]) bus.setConnected(true)
    for (const member of this.#members) {
      member.disk.calm = true
      if (!member.following) this.#start(member)
    }
    for (let i = 0; i < stepsMax && this.violations.length === 0; i++) {
      this.#release()
      for (const publisher of this.#publishers) this.#publish(publisher)
      await this.#pass(1_000)
      if (this.#members.every((member) => this.#arrived(member))) return true
    }
    return false
  }

  async end(): Promise<void> {
    const all = this.#members.map(({ following }) => following?.stop())
    for (let i = 0; i < 3; i++) await this.#pass(1_000)
    await Promise.all(all)
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
    const publisher = this.#pick(this.#publishers)
    if (dice < 0.4) return this.#commit(1 + Math.floor(this.#random() * 3))
    if (dice < 0.5) return this.#flip(this.#pick([member, publisher]).bus)
    if (dice < 0.65) return member.following ? this.#crash(member) : this.#start(member)
    if (dice < 0.68) return this.#count('wipe', () => this.#hub.wipe())
    if (dice < 0.71) return this.#count('truncate', () => this.#truncate())
    if (dice < 0.76) return this.#count('fail-over', () => this.#failOver())
    if (dice < 0.77) return this.#count('lineage', () => this.#newLineage())
    if (dice < 0.9) publisher.log = this.#log
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
    for (const publisher of this.#publishers) publisher.log = this.#log
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
      clock: this.clock,
      random: this.#random,
      log: silentLog,
      identity: { id: 'p', role: 'proxy', labels: {}, version: 'dev' },
      onSnapshot: (snapshot: Snapshot) => {
        this.#checkServed(member, snapshot)
        member.served = snapshot
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

  #checkAcked({ disk }: Member, following: Following): void {
    const { received } = following.state()
    const known = received === 0 || disk.durable.some(({ head }) => head.revision === received)
    if (!known) this.violations.push(`acks ${received}, which its disk never had`)
  }

  #publish(publisher: Publisher): void {
    if (publisher.busy) return
    publisher.busy = true
    void this.#publishOnce(publisher)
      .catch((error: unknown) => {
        if (!(error instanceof BusUnavailable)) this.violations.push(String(error))
      })
      .finally(() => (publisher.busy = false))
  }

  /** As the admin API's publisher does it. */
  async #publishOnce(publisher: Publisher): Promise<void> {
    const { bus, log } = publisher
    let end = await bus.openStream(log)
    const ours = end.revision <= log.head.revision && log.at(end.revision).head.hash === end.hash
    if (!ours) {
      const { lineage, epoch } = log
      end = await bus.openStream({ lineage, epoch, rebuild: true })
      this.#count('rebuild', () => {})
    }
    let revision = end.revision
    while (revision < log.head.revision) {
      const outcome = await bus.publishRevision(log.message(revision + 1))
      if (outcome.kind === 'conflict') return
      revision += 1
    }
    const state = log.at(revision)
    if (revision > 0) bus.publishBeacon(state.head)
    if (this.#calm || revision % SNAPSHOT_EVERY === 0) await this.#publishSnapshot(bus, state)
  }

  async #publishSnapshot(bus: Bus, state: Snapshot): Promise<void> {
    await bus.publishSnapshot({ head: state.head, text: encodeSnapshot(state) })
  }

  /** The fate of whatever travels. */
  #carry(lane: Lane, deliver: () => void): void {
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
    this.clock.advance(ms)
    await new Promise((resolve) => setImmediate(resolve))
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random() * items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  #count(what: string, act: () => void): void {
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
