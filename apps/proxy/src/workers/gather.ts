import {
  type Clock,
  keepCounts,
  mergeParts,
  type Metrics,
  type MetricsPart,
  partOf,
  withoutSeries,
} from '@signalbox/host'
import { type BackendHealth } from '../answers.ts'
import { type Feed } from './feed.ts'
import { type Member } from './member.ts'
import { mergeBackends } from './merge-backends.ts'
import { type Answered, type Collected, type What } from './messages.ts'

/** How long a worker may take to answer. Then what it last said has to do. */
const ANSWER_MS = 700

interface Round {
  readonly awaited: Set<Member>
  readonly values: Map<Member, Collected[What]>
  readonly done: () => void
}

export interface GatherOptions {
  readonly clock: Clock
  /** The parent's own. */
  readonly metrics: Metrics
  readonly members: () => Iterable<Member>
  readonly feed: Feed
}

/** Asks all workers, and makes one answer of theirs: of the whole proxy, within a bounded time. */
export class Gather {
  readonly #options: GatherOptions
  readonly #rounds = new Map<number, Round>()
  readonly #running = new Map<What, Promise<Answered[What]>>()
  #departed: MetricsPart = []
  #keeping: Promise<unknown> = Promise.resolve()
  #last = 0

  constructor(options: GatherOptions) {
    this.#options = options
  }

  /** Whoever asks while the same is being gathered gets that. */
  answer(what: What): Promise<Answered[What]> {
    const running = this.#running.get(what) ?? this.#gather(what)
    this.#running.set(what, running)
    return running
  }

  collected(id: number, member: Member, value: Collected[What]): void {
    const round = this.#rounds.get(id)
    if (!round?.awaited.delete(member)) return
    round.values.set(member, value)
    if (round.awaited.size === 0) round.done()
  }

  /** What it counted stays in the sums. */
  gone(member: Member): void {
    for (const round of this.#rounds.values()) {
      if (round.awaited.delete(member) && round.awaited.size === 0) round.done()
    }
    this.#keeping = this.#keeping.then(async () => {
      this.#departed = await keepCounts(this.#departed, member.metrics)
    })
  }

  async #gather(what: What): Promise<Answered[What]> {
    try {
      const values = await this.#ask(what)
      if (what === 'backends') return mergeBackends([...values.values()] as BackendHealth[])
      return await this.#mergeMetrics(values as Map<Member, MetricsPart>)
    } finally {
      this.#running.delete(what)
    }
  }

  #ask(what: What): Promise<Map<Member, Collected[What]>> {
    const id = ++this.#last
    const awaited = new Set([...this.#options.members()].filter(({ up }) => up))
    const values = new Map<Member, Collected[What]>()
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#rounds.delete(id)
        resolve(values)
      }
      const cancel = this.#options.clock.after(ANSWER_MS, done)
      this.#rounds.set(id, { awaited, values, done })
      for (const member of awaited) member.post({ to: 'collect', id, what })
      if (awaited.size === 0) done()
    })
  }

  async #mergeMetrics(values: ReadonlyMap<Member, MetricsPart>): Promise<string> {
    const { metrics, members, feed } = this.#options
    for (const [member, part] of values) member.metrics = part
    await this.#keeping
    const known = feed.snapshot?.backends
    const departed = withoutSeries(this.#departed, ({ backend }) => {
      return backend === undefined || known?.has(String(backend)) === true
    })
    this.#departed = departed
    const workers = [...members()].filter(({ up }) => up).map((member) => member.metrics)
    return mergeParts([await partOf(metrics), ...workers, departed]).metrics()
  }
}
