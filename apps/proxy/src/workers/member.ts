import { type ChildProcess } from 'node:child_process'
import { type Socket } from 'node:net'
import { type Changed, ipcPort, type Port } from '@signalbox/bus'
import { type Clock, type MetricsPart } from '@signalbox/host'
import { type LeaseReport, type Load, type Nack } from '@signalbox/model'
import { type Lines } from '../waiting-lines.ts'
import { bothChanged } from './delta.ts'
import { type Feed } from './feed.ts'
import {
  type Collected,
  type FromWorker,
  type ProxyState,
  type ToWorker,
  type What,
} from './messages.ts'

/** Ticks in a row without a word from it after which a worker counts as stuck. */
const SILENT_TICKS_MAX = 30

export interface MemberHooks {
  readonly state: () => ProxyState
  /** What it serves, refuses or carries is another now, or it is up. */
  readonly onChange: () => void
  readonly onTaken: (id: number) => void
  readonly onRecords: (lines: Lines) => void
  readonly onLeases: (report: LeaseReport) => void
  readonly onCollected: (id: number, value: Collected[What]) => void
  readonly onAsk: (id: number, what: What) => void
}

export interface MemberOptions extends MemberHooks {
  readonly child: ChildProcess
  readonly feed: Feed
  readonly clock: Clock
}

/**
 * One worker, as its parent sees it: forked -> welcomed (`hello`) -> up -> leaving -> ended. At
 * most one configuration is with it that it has not confirmed; what changes meanwhile waits, merged
 * into one. A worker that takes no messages, or says nothing for long, is stuck and is killed.
 */
export class Member {
  readonly #options: MemberOptions
  readonly #port: Port
  readonly startedMs: number
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly isUp: Promise<void>
  /** It has been told all that there was, and is told what comes. */
  welcomed = false
  up = false
  leaving = false
  /** Serial that it routes by. */
  confirmed = 0
  nacks: readonly Nack[] = []
  load: Load = { requestsTotal: 0, inFlight: 0, rssBytes: 0 }
  /** As it last told them. */
  metrics: MetricsPart = []
  #onUp: () => void = () => {}
  #asked = 0
  #changed: Changed = []
  #silentTicks = 0

  constructor(options: MemberOptions) {
    this.#options = options
    const { child, clock } = options
    this.startedMs = clock.monotonicMs()
    this.#port = ipcPort(child)
    this.#port.onMessage((message) => this.#take(message as FromWorker))
    this.isUp = new Promise((resolve) => (this.#onUp = resolve))
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }))
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
  }

  get pid(): number {
    return this.#options.child.pid ?? 0
  }

  /** Takes new connections. */
  get accepts(): boolean {
    return this.up && !this.leaving
  }

  /** Has been given a configuration with this serial or an older one that it does not serve yet. */
  owes(serial: number): boolean {
    return this.welcomed && this.confirmed < serial
  }

  post(message: ToWorker): void {
    if (!this.#port.postMessage(message)) this.kill()
  }

  /** Gives it a connection; the parent keeps it, too, until the worker has said that it has it. */
  give(id: number, socket: Socket): void {
    const message: ToWorker = { to: 'connection', id }
    // One that is gone by now is found out by its end, not here.
    this.#options.child.send(message, socket, { keepOpen: true }, () => {})
  }

  /** There is a newer configuration. */
  push(changed: Changed): void {
    if (!this.welcomed) return
    this.#changed = bothChanged(this.#changed, changed)
    this.#sendConfig()
  }

  tick(): void {
    if (++this.#silentTicks > SILENT_TICKS_MAX) this.kill()
  }

  kill(): void {
    this.#options.child.kill('SIGKILL')
  }

  #sendConfig(): void {
    const { feed } = this.#options
    if (this.#asked > this.confirmed || this.#asked === feed.serial) return
    const config = feed.config(this.#changed)
    if (!config) return
    this.#asked = config.serial
    this.#changed = []
    this.post({ to: 'config', config })
  }

  #welcome(): void {
    const { feed, state } = this.#options
    this.welcomed = true
    this.#asked = feed.serial
    const config = feed.config('all')
    this.post({ to: 'welcome', config, statuses: feed.statuses(), state: state() })
  }

  #take(message: FromWorker): void {
    this.#silentTicks = 0
    const { onTaken, onCollected, onAsk, onChange, onRecords, onLeases } = this.#options
    switch (message.from) {
      case 'hello':
        return this.#welcome()
      case 'taken':
        return onTaken(message.id)
      case 'collected':
        return onCollected(message.id, message.value)
      case 'records':
        return onRecords(message.lines)
      case 'leases':
        return onLeases(message.report)
      case 'ask':
        return onAsk(message.id, message.what)
      case 'load':
        this.load = message.load
        return
      case 'last':
        this.load = message.load
        this.metrics = message.metrics
        return
      case 'up':
        this.up = true
        this.#onUp()
        return onChange()
      case 'serving':
        this.confirmed = message.serial
        this.nacks = message.nacks
        this.#sendConfig()
        return onChange()
    }
  }
}
