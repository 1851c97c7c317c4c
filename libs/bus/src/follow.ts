import { type Cancel, type Clock, type Log, sha256 } from '@signalbox/host'
import {
  type FollowerState,
  type Heartbeat,
  type Load,
  type Nack,
  type Snapshot,
} from '@signalbox/model'
import { type Bus, type Unsubscribe } from './bus.ts'
import { type DiskCopy } from './disk-copy.ts'
import { type Changed } from './follower-fold.ts'
import { Activation, RELEASE_HEARTBEAT_MS } from './follower-release.ts'
import {
  type Effect,
  type Follower,
  type Input,
  revisionsBehind,
  stateName,
  UNSTARTED,
} from './follower-state.ts'
import { asksBus, step } from './follower.ts'
import { FolderWatch } from './folder-watch.ts'
import { listeners } from './listeners.ts'
import { type Trusts } from './manifest.ts'
import { type Digests } from './read-snapshot.ts'
import { type SnapshotSource } from './snapshot-folder.ts'
import { takeSnapshot } from './take-snapshot.ts'

export interface FollowOptions {
  readonly bus: Bus
  readonly disk: DiskCopy
  /** Where somebody may put a newer snapshot, by hand. */
  readonly folder?: SnapshotSource | undefined
  /** Whose snapshots are taken: manifestTrust(). */
  readonly trusts: Trusts
  /** What is noted of packed resources while they are read. */
  readonly digests?: Digests
  readonly clock: Clock
  /** In [0, 1): spreads the retries of a fleet. */
  readonly random: () => number
  readonly log: Log
  readonly identity: Identity
  /**
   * Called with what is active of every new snapshot, newest last (a release may hold some of it
   * back); swaps the table before it returns. Answers which
   * resources keep their last good version, all of them each time (not only those that changed).
   */
  readonly onSnapshot: (snapshot: Snapshot, changed: Changed) => readonly Nack[]
  readonly load: () => Load | null
}

export type Identity = Pick<Heartbeat, 'id' | 'role' | 'labels' | 'version'>

export interface FollowingState {
  readonly state: FollowerState
  /** Last revision that is durable here: what the control plane was told. 0: none. */
  readonly received: number
  /** Last revision that onSnapshot() was given: below `received` in a release. 0: none. */
  readonly active: number
  /** Whether onSnapshot() was ever called: there is something to serve. */
  readonly configured: boolean
  /** Revisions that the log is known to be ahead; 0 while nothing is known. */
  readonly behind: number
  readonly nacks: readonly Nack[]
  /** Why the follower is not live, as stable words with detail after a colon. */
  readonly reasons: readonly string[]
}

export interface Following {
  state(): FollowingState
  /** Called after any of state() changed. */
  onChange(listener: () => void): Unsubscribe
  /**
   * What was refused, where that is known only after onSnapshot() has returned: replaces what it
   * answered, and is told to the fleet at once.
   */
  refused(nacks: readonly Nack[]): void
  /** Announces that this member takes no new work, and follows no more. */
  drain(): void
  /** Ends everything that was started here; a disk write under way is finished. Not the bus. */
  stop(): Promise<void>
}

export const HEARTBEAT_MS = 10_000
/** How often the folder is looked at. */
export const FOLDER_LOOK_MS = 5_000
const TICK_MS = 1_000
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 30_000
const DISK_RETRY_MS = 5_000
/** How long stop() waits for a disk that does not answer. */
const SAVE_WAIT_MS_MAX = 5_000
/** Changes that wait for a disk at most; after more of them it is written whole. */
const CHANGED_MAX = 100_000
/** A heartbeat names this many at most. */
const NACKS_MAX = 100

/** Follows the configuration: restores it from disk, then from the bus, and keeps it up to date. */
export function follow(options: FollowOptions, machine: Machine = step): Following {
  return new Driver(options, machine)
}

/** The follower's rules. Another one than step() is for proving that tests notice wrong rules. */
export type Machine = typeof step

class Driver implements Following {
  readonly #options: FollowOptions
  readonly #machine: Machine
  readonly #changes = listeners<void>()
  readonly #cancels: Cancel[]
  readonly #activation: Activation
  readonly #watch: FolderWatch | null
  readonly #inputs: Input[] = []
  #follower: Follower = UNSTARTED
  #nacks: readonly Nack[] = []
  #retryMs = RETRY_MIN_MS
  #cancelRetry: Cancel = () => {}
  #cancelDiskRetry: Cancel = () => {}
  #unsaved: { readonly snapshot: Snapshot; readonly changed: Changed } | null = null
  /** What a save that failed had to write, and the next one has. */
  #owed: Changed = []
  #saving = false
  #saved: Promise<void> = Promise.resolve()
  #diskProblem: string | null = null
  #running = false
  #stopped = false
  #toldFleet = ''
  #toldListeners = ''

  constructor(options: FollowOptions, machine: Machine) {
    this.#options = options
    this.#machine = machine
    this.#activation = new Activation(options.identity)
    const { bus, clock, folder } = options
    this.#watch = folder ? this.#watchOf(folder) : null
    this.#cancels = [
      clock.every(FOLDER_LOOK_MS, () => void this.#lookAtFolder()),
      bus.onRevision((message) => this.#take({ kind: 'revision', message })),
      bus.onBeacon((head) => this.#take({ kind: 'beacon', head, atMs: clock.monotonicMs() })),
      bus.onAsked(() => this.#sendHeartbeat()),
      bus.onConnection((connected) => this.#onConnection(connected)),
      clock.every(TICK_MS, () => this.#take({ kind: 'tick', atMs: clock.monotonicMs() })),
      clock.every(HEARTBEAT_MS, () => this.#sendHeartbeat()),
      clock.every(RELEASE_HEARTBEAT_MS, () => this.#activation.isOpen && this.#sendHeartbeat()),
    ]
    this.#take({ kind: 'start', atMs: clock.monotonicMs() })
  }

  onChange = this.#changes.add

  state(): FollowingState {
    const { snapshot, durable } = this.#follower
    return {
      state: stateName(this.#follower),
      received: durable?.revision ?? 0,
      active: this.#activation.routing,
      configured: snapshot !== null,
      behind: revisionsBehind(this.#follower),
      nacks: this.#nacks,
      reasons: this.#reasons(),
    }
  }

  refused(nacks: readonly Nack[]): void {
    this.#setNacks(nacks)
    this.#report()
  }

  drain(): void {
    this.#take({ kind: 'drain' })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#cancels) cancel()
    this.#cancelRetry()
    this.#cancelDiskRetry()
    let cancel: Cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(SAVE_WAIT_MS_MAX, resolve)
    })
    await Promise.race([this.#saved, late])
    cancel()
  }

  /** Inputs that an effect causes are taken after it: one step at a time, in order. */
  #take(input: Input): void {
    if (this.#stopped) return
    this.#inputs.push(input)
    if (this.#running) return
    this.#running = true
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        const { state, effects } = this.#machine(this.#follower, next, sha256)
        const answered = asksBus(this.#follower) && !asksBus(state)
        this.#follower = state
        for (const effect of effects) this.#run(effect)
        // The bus had nothing: now the folder may have its turn.
        if (answered && !state.snapshot) void this.#lookAtFolder()
      }
    } finally {
      this.#running = false
    }
    this.#report()
  }

  #run(effect: Effect): void {
    const { bus } = this.#options
    switch (effect.kind) {
      case 'restore':
        return void this.#restore()
      case 'fetch':
        return this.#ask(bus.revisions(effect), (outcome) => ({ kind: 'fetched', outcome }))
      case 'take-snapshot':
        return this.#ask(this.#takeSnapshot(), (snapshot) => ({ kind: 'snapshot', snapshot }))
      case 'pause':
        return this.#pause()
      case 'adopt':
        this.#retryMs = RETRY_MIN_MS
        return this.#adopt(effect.snapshot, effect.changed)
      case 'persist':
        return this.#persist(effect.snapshot, effect.changed)
    }
  }

  async #restore(): Promise<void> {
    const { disk, log } = this.#options
    const { snapshot, problems } = await disk.load()
    for (const problem of problems) log.warn({ problem }, 'a disk copy cannot be used')
    this.#take({ kind: 'restored', snapshot })
    void this.#lookAtFolder()
  }

  #watchOf(folder: SnapshotSource): FolderWatch {
    const { trusts, log, disk, digests } = this.#options
    return new FolderWatch({
      ...{ folder, trusts, log, near: disk.chunks, digests },
      mine: () => this.#follower.snapshot?.head ?? null,
      offer: (snapshot) => this.#take({ kind: 'offered', snapshot }),
    })
  }

  async #lookAtFolder(): Promise<void> {
    if (!this.#stopped && (await this.#watch?.look())) this.#report()
  }

  #ask<Answer>(answer: Promise<Answer>, input: (answer: Answer) => Input): void {
    const { log } = this.#options
    answer.then(
      (value) => this.#take(input(value)),
      (error: unknown) => {
        log.debug({ err: error }, 'the bus did not answer')
        this.#take({ kind: 'failed' })
      },
    )
  }

  #takeSnapshot(): Promise<Snapshot | null> {
    const { bus, disk, trusts, log, digests } = this.#options
    return takeSnapshot({ bus, trusts, log, near: disk.chunks, digests })
  }

  /** Decorrelated jitter: a fleet that failed together does not ask again together. */
  #pause(): void {
    const { clock, random } = this.#options
    const longest = Math.min(RETRY_MAX_MS, this.#retryMs * 3)
    this.#retryMs = RETRY_MIN_MS + random() * (longest - RETRY_MIN_MS)
    this.#cancelRetry()
    this.#cancelRetry = clock.after(this.#retryMs, () => this.#take({ kind: 'resume' }))
  }

  #adopt(snapshot: Snapshot, changed: Changed): void {
    const active = this.#activation.take(snapshot, changed)
    this.#setNacks(this.#options.onSnapshot(active.snapshot, active.changed))
  }

  #setNacks(nacks: readonly Nack[]): void {
    const known = new Set(this.#nacks.map(nackKey))
    this.#nacks = nacks.slice(0, NACKS_MAX)
    for (const nack of this.#nacks) {
      if (known.has(nackKey(nack))) continue
      this.#options.log.error({ ...nack }, 'a resource keeps its last good version')
    }
  }

  /** At most one write is under way and one snapshot waits: the newest. */
  #persist(snapshot: Snapshot, changed: Changed): void {
    this.#unsaved = { snapshot, changed: both(this.#unsaved?.changed ?? [], changed) }
    if (this.#saving) return
    this.#saving = true
    this.#saved = this.#saveAll()
  }

  async #saveAll(): Promise<void> {
    for (let next = this.#unsaved; next; next = this.#unsaved) {
      this.#unsaved = null
      const changed = both(this.#owed, next.changed)
      const saved = await this.#options.disk.save(next.snapshot, changed)
      this.#cancelDiskRetry()
      this.#owed = saved.ok ? [] : changed
      if (saved.ok) {
        this.#diskProblem = null
        this.#take({ kind: 'persisted', head: next.snapshot.head })
      } else {
        this.#onSaveFailed(saved.error)
      }
    }
    this.#saving = false
  }

  /** Goes on serving and does not ack. Tries again with the next snapshot, or after a while. */
  #onSaveFailed(problem: string): void {
    const { clock, log } = this.#options
    if (this.#diskProblem === null) log.error({ problem }, 'the disk copy cannot be written')
    this.#diskProblem = problem
    this.#report()
    if (this.#stopped) return
    this.#cancelDiskRetry = clock.after(DISK_RETRY_MS, () => {
      if (this.#follower.snapshot) this.#persist(this.#follower.snapshot, [])
    })
  }

  #onConnection(connected: boolean): void {
    if (connected) this.#take({ kind: 'connected' })
    else this.#report()
    if (connected) this.#sendHeartbeat()
  }

  /** Tells the fleet at once what it waits for, and whoever reads state() of any change. */
  #report(): void {
    const state = this.state()
    const fleet = JSON.stringify([state.state, this.#follower.durable, state.nacks])
    const all = JSON.stringify(state)
    const newToFleet = fleet !== this.#toldFleet
    const newToListeners = all !== this.#toldListeners
    this.#toldFleet = fleet
    this.#toldListeners = all
    if (newToFleet) this.#sendHeartbeat()
    if (newToListeners) this.#changes.emit()
  }

  #sendHeartbeat(): void {
    const { bus, identity, load, clock } = this.#options
    const { durable } = this.#follower
    bus.sendHeartbeat({
      ...identity,
      lineage: durable?.lineage ?? '',
      epoch: durable?.epoch ?? 0,
      received: durable?.revision ?? 0,
      // Served before it is durable, acked only after.
      active: this.#activation.revision(durable?.revision ?? 0),
      state: stateName(this.#follower),
      nacks: this.#nacks,
      load: load(),
      sentAtMs: clock.nowMs(),
    })
  }

  #reasons(): readonly string[] {
    const { snapshot, frozen } = this.#follower
    const behind = revisionsBehind(this.#follower)
    const { bus } = this.#options
    const problem = this.#watch?.problem ?? null
    return [
      ...(snapshot ? [] : ['no-configuration']),
      ...(bus.connected() ? [] : [bus.absent ? 'no-bus' : 'bus-disconnected']),
      ...(problem === null ? [] : [`snapshot-dir: ${problem}`]),
      ...(stateName(this.#follower) === 'degraded' && !bus.absent ? ['no-beacon'] : []),
      ...(behind > 0 ? [`behind: ${behind} revisions`] : []),
      ...(frozen === null ? [] : [`frozen: ${frozen}`]),
      ...(this.#diskProblem === null ? [] : [`disk: ${this.#diskProblem}`]),
    ]
  }
}

function both(one: Changed, other: Changed): Changed {
  if (one === 'all' || other === 'all') return 'all'
  return one.length + other.length > CHANGED_MAX ? 'all' : [...one, ...other]
}

function nackKey({ revision, resource, id }: Nack): string {
  return `${revision} ${resource} ${id}`
}
