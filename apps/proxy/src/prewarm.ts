import { upstreamPath } from '@signalbox/dialects'
import { type Clock, Counter, type Log, type Metrics } from '@signalbox/host'
import { type BackendSpec } from '@signalbox/model'
import type { Dispatcher } from 'undici'
import { type Live } from './live-backend.ts'
import { type Upstream } from './upstream.ts'

/** Calls at once; the others wait. */
const CALLS_MAX = 16
/** Backends that wait for theirs. Of more than that each is left to its first request. */
const WAITING_MAX = 1_000
/** A backend that has not answered by then is left to its first request. */
const CALL_MS_MAX = 5_000
/** Of an answer that nobody reads. */
const ANSWER_BYTES_MAX = 1_048_576
/** With one connection a call of ours could be what a request waits for. */
const CONNECTIONS_MIN = 2

type Warmed = 'warm' | 'failed' | 'late'

export interface PrewarmOptions {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Connects to each backend before a request needs it: name look-up, TCP, TLS and HTTP/2 are done by
 * then, and the credential has been shown once. Whatever the backend answers, it is warm: what it
 * thinks of the call is for the probes. Nothing waits for it.
 */
export class Prewarm {
  readonly #options: PrewarmOptions
  readonly #calls: Counter<'outcome'>
  /** The connections that were warmed: new ones of a backend are others. */
  readonly #seen = new WeakSet<Upstream>()
  readonly #waiting = new Set<Live>()
  /** For whom there was no room. */
  readonly #left = new WeakSet<Live>()
  readonly #under = new Set<Call>()
  #stopped = false

  constructor(options: PrewarmOptions) {
    this.#options = options
    this.#calls = new Counter({
      name: 'signalbox_prewarm_total',
      help: 'Calls that connect to a backend before its first request, by what came of them',
      labelNames: ['outcome'],
      registers: [options.metrics],
    })
  }

  /** Called with all backends after each change. */
  look(all: Iterable<Live>): void {
    for (const live of all) {
      if (this.#left.has(live) || this.#isWarm(live) || !isWanted(live)) continue
      if (this.#waiting.size < WAITING_MAX) this.#waiting.add(live)
      else this.#left.add(live)
    }
    this.#next()
  }

  stop(): void {
    this.#stopped = true
    this.#waiting.clear()
    for (const call of this.#under) call.end('late')
  }

  #next(): void {
    while (!this.#stopped && this.#under.size < CALLS_MAX) {
      const [live] = this.#waiting
      if (!live) return
      this.#waiting.delete(live)
      // It may have changed while it waited.
      if (!this.#isWarm(live) && isWanted(live)) this.#warm(live)
    }
  }

  /** No way is made to find out: most backends of a large fleet have none yet. */
  #isWarm({ openedUpstream }: Live): boolean {
    return openedUpstream !== undefined && this.#seen.has(openedUpstream)
  }

  #warm(live: Live): void {
    const { clock, log } = this.#options
    const { upstream } = live
    this.#seen.add(upstream)
    // Made now: while it waits for a connection the backend may get another address or credential.
    const sent = callOf(live)
    const call = new Call((outcome) => {
      cancel()
      leaveQueue()
      this.#under.delete(call)
      this.#calls.inc({ outcome })
      log.debug({ backend: live.id, outcome }, 'backend warmed up')
      this.#next()
    }, upstream)
    let leaveQueue = () => {}
    const cancel = clock.after(CALL_MS_MAX, () => call.end('late'))
    this.#under.add(call)
    leaveQueue = upstream.enter(() => upstream.dispatch(sent, call))
  }
}

function isWanted({ backend, locked, removed }: Live): boolean {
  const { enabled, limits, prewarm = true } = backend.spec as Partial<BackendSpec>
  const room = (limits?.connections ?? 0) >= CONNECTIONS_MIN
  return enabled === true && prewarm && room && !locked && !removed
}

function callOf({ backend, traits, headers }: Live): Dispatcher.DispatchOptions {
  const { method, path, body, dialect } = traits.warming
  return {
    method,
    path: upstreamPath(backend.spec.url, path),
    body: body === undefined ? null : Buffer.from(body),
    headers: [
      ['accept', 'application/json'],
      ...(body === undefined ? [] : [['content-type', 'application/json'] as const]),
      ...(headers.get(dialect) ?? []),
    ].flat(),
    headersTimeout: 0,
    bodyTimeout: CALL_MS_MAX,
  }
}

/** One call, of whose answer only the end is waited for, so that the connection can be used. */
class Call implements Dispatcher.DispatchHandler {
  readonly #ended: (outcome: Warmed) => void
  readonly #upstream: Upstream
  #controller: Dispatcher.DispatchController | undefined
  #outcome: Warmed | undefined
  #bytes = 0

  constructor(ended: (outcome: Warmed) => void, upstream: Upstream) {
    this.#ended = ended
    this.#upstream = upstream
  }

  /** Ends it, once; what is still under way is broken off. */
  end(outcome: Warmed): void {
    if (this.#outcome) return
    this.#outcome = outcome
    this.#controller?.abort(new Error(outcome))
    this.#ended(outcome)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#outcome) controller.abort(new Error(this.#outcome))
  }

  /** undici asks for one. */
  onResponseStart(): void {}

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > ANSWER_BYTES_MAX) controller.abort(new Error('too long'))
  }

  onResponseEnd(): void {
    this.#upstream.leave()
    this.#controller = undefined
    this.end('warm')
  }

  onResponseError(): void {
    this.#upstream.leave()
    this.#controller = undefined
    this.end('failed')
  }
}
