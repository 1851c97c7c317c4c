import { type ChildProcess } from 'node:child_process'
import { type Changed } from '@signalbox/bus'
import { type Cancel, type Clock, type Log } from '@signalbox/host'
import { addCounts, type Load, type Nack, type ReleaseCounts } from '@signalbox/model'
import { type ProxyConfig } from '../config.ts'
import { afterDeath, NO_BACK_OFF } from './back-off.ts'
import { Member, type MemberHooks, type MemberOptions } from './member.ts'
import { type ProxyState } from './messages.ts'

export const TICK_MS = 2_000
/** Nobody waits for a worker that is replaced: idle connections get at least so long to be used. */
const LEAVE_MS_MIN = 1_000
/** Over the drain's own deadline, before a worker that does not end is killed. */
const END_MS = 5_000

type DrainConfig = Pick<ProxyConfig, 'drainNoticeMs' | 'drainDeadlineMs'>

export interface CrewOptions {
  readonly wanted: number
  readonly config: DrainConfig
  readonly fork: () => ChildProcess
  readonly feed: MemberOptions['feed']
  readonly clock: Clock
  readonly log: Log
  readonly hooks: (member: () => Member) => MemberHooks
  /** It has ended; it is not among the members any more. */
  readonly onGone: (member: Member) => void
}

/**
 * Keeps so many workers up as are wanted. One that ends unasked is replaced, at once or after a
 * back-off. roll() replaces one after the other: the new one is up before the old one leaves.
 */
export class Crew {
  readonly #options: CrewOptions
  readonly members = new Set<Member>()
  readonly #waiting = new Set<{ readonly serial: number; readonly resolve: () => void }>()
  readonly #endTicks: Cancel
  #backOff = NO_BACK_OFF
  #cancelFill: Cancel = () => {}
  #requestsOfEnded = 0
  #releaseOfEnded: ReleaseCounts | undefined
  #rolling: Promise<void> | undefined
  #rollAgain = false
  #stopping = false
  restarts = 0

  constructor(options: CrewOptions) {
    this.#options = options
    const { clock } = options
    this.#endTicks = clock.every(TICK_MS, () => {
      for (const member of this.members) member.tick()
    })
  }

  /** Settles when all are up; rejects where one ends before. */
  async start(): Promise<void> {
    const { wanted } = this.#options
    await Promise.all(
      Array.from({ length: wanted }, async () => {
        const member = this.#fork()
        if (await this.#untilUp(member)) return
        const { code, signal } = await member.ended
        throw new Error(`a worker ended before it served (${signal ?? `exit code ${code}`})`)
      }),
    )
  }

  get serving(): number {
    return this.counts().serving
  }

  counts(): ProxyState['workers'] {
    const accepting = [...this.members].filter(({ accepts }) => accepts)
    const pids = accepting.map(({ pid }) => pid)
    return { wanted: this.#options.wanted, serving: pids.length, pids }
  }

  /** The sum over all workers, also over those that have ended. */
  load(ownRssBytes: number): Load {
    const sum = { requestsTotal: this.#requestsOfEnded, inFlight: 0, rssBytes: ownRssBytes }
    const counts = [this.#releaseOfEnded, ...[...this.members].map(({ load }) => load.release)]
    const release = addCounts(counts)
    for (const { load } of this.members) {
      sum.requestsTotal += load.requestsTotal
      sum.inFlight += load.inFlight
      sum.rssBytes += load.rssBytes
    }
    return release ? { ...sum, release } : sum
  }

  /** What any worker refuses, each resource once. */
  nacks(): readonly Nack[] {
    const all = [...this.members].flatMap(({ nacks }) => nacks)
    const byKey = new Map(all.map((nack) => [`${nack.revision} ${nack.resource} ${nack.id}`, nack]))
    return [...byKey.values()]
  }

  push(changed: Changed): void {
    for (const member of this.members) member.push(changed)
  }

  /** Settles when every worker that has been told of the newest configuration serves it. */
  served(): Promise<void> {
    const { serial } = this.#options.feed
    return new Promise((resolve) => {
      this.#waiting.add({ serial, resolve })
      this.onConfirmed()
    })
  }

  /** To be called when a worker has confirmed something, or has ended. */
  onConfirmed(): void {
    for (const one of this.#waiting) {
      if ([...this.members].some((member) => member.owes(one.serial))) continue
      this.#waiting.delete(one)
      one.resolve()
    }
  }

  /** Replaces every worker. Asked again meanwhile: does it once more afterwards. */
  roll(): Promise<void> {
    this.#rollAgain = this.#rolling !== undefined
    this.#rolling ??= this.#rollAll().finally(() => {
      this.#rolling = undefined
      if (this.#rollAgain && !this.#stopping) void this.roll()
    })
    return this.#rolling
  }

  /** Drains all at the same time. `onNoticed` is called when the notice is over. */
  async stop(onNoticed: () => void): Promise<void> {
    this.#stopping = true
    this.#cancelFill()
    const { config } = this.#options
    const all = [...this.members]
    for (const member of all) this.#sendAway(member)
    await this.#wait(config.drainNoticeMs)
    onNoticed()
    await Promise.all(all.map((member) => this.#end(member)))
    this.#endTicks()
  }

  /** Without a word, as when this process ends at once. */
  kill(): void {
    for (const member of this.members) member.kill()
  }

  async #rollAll(): Promise<void> {
    const { log, config } = this.#options
    const old = [...this.members].filter(({ leaving }) => !leaving)
    log.info({ workers: old.length }, 'workers are replaced')
    for (const member of old) {
      if (this.#stopping) return
      // It died meanwhile, and was replaced.
      if (!this.members.has(member)) continue
      const fresh = this.#fork()
      if (!(await this.#untilUp(fresh))) {
        if (!this.#stopping) log.error({}, 'a new worker did not start: the others stay')
        return
      }
      if (this.#stopping || !this.members.has(member)) continue
      this.#sendAway(member)
      await this.#wait(Math.max(LEAVE_MS_MIN, config.drainNoticeMs))
      await this.#end(member)
    }
    log.info({ workers: this.serving }, 'workers have been replaced')
  }

  #fork(): Member {
    const { fork, feed, clock, hooks } = this.#options
    const member: Member = new Member({ child: fork(), feed, clock, ...hooks(() => member) })
    this.members.add(member)
    void member.ended.then((end) => this.#onEnded(member, end))
    return member
  }

  #untilUp(member: Member): Promise<boolean> {
    return Promise.race([member.isUp.then(() => true), member.ended.then(() => false)])
  }

  #onEnded(member: Member, end: { code: number | null; signal: string | null }): void {
    const { clock, log, onGone } = this.#options
    this.members.delete(member)
    this.#requestsOfEnded += member.load.requestsTotal
    this.#releaseOfEnded = addCounts([this.#releaseOfEnded, member.load.release])
    onGone(member)
    this.onConfirmed()
    if (member.leaving || this.#stopping) return
    this.#backOff = afterDeath(this.#backOff, clock.monotonicMs() - member.startedMs)
    const { delayMs } = this.#backOff
    log.error({ pid: member.pid, ...end, delayMs }, 'a worker ended and is replaced')
    this.#cancelFill()
    this.#cancelFill = clock.after(delayMs, () => this.#fill())
  }

  #fill(): void {
    const staying = [...this.members].filter(({ leaving }) => !leaving).length
    for (let count = staying; count < this.#options.wanted; count++) {
      this.restarts++
      this.#fork()
    }
  }

  #sendAway(member: Member): void {
    member.leaving = true
    if (member.up) member.post({ to: 'leave' })
    else member.kill()
  }

  async #end(member: Member): Promise<void> {
    const { clock, config } = this.#options
    if (!this.members.has(member)) return
    member.post({ to: 'end' })
    const cancel = clock.after(config.drainDeadlineMs + END_MS, () => member.kill())
    await member.ended
    cancel()
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(ms, resolve))
  }
}
