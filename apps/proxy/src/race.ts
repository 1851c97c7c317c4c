import { type Cancel } from '@signalbox/host'
import { type Failure } from '@signalbox/model'
import { latencyAt, observeDelay, observeLatency, type Delays } from '@signalbox/routing'
import { type Exchange } from './exchange.ts'
import { type Live } from './live-backend.ts'
import { type Passage, type Pipeline } from './passage.ts'

const TOO_MANY_REQUESTS = 429
const SERVER_ERROR = 500
const CLIENT_ERROR = 400

/** Nobody hears it: the client has the other's answer. */
const OUTRUN: Failure = {
  code: 'request_timeout',
  source: 'internal',
  nothingSent: false,
  message: 'another backend answered first',
}

/** One of the attempts of a race. */
export interface Lane {
  /** Whether it is the second one. */
  readonly second: boolean
  readonly startMs: number
  relay: Exchange | undefined
  live: Live | undefined
  price: Passage['price']
  /** It failed, or its answer is not the client's. */
  over: boolean
  /** The other one answered first. */
  outrun: boolean
}

/**
 * Attempts of one request that are under way at the same time. The first whose answer begins is
 * the client's, and the others are broken off in the same moment. An answer 429 or 5xx does not
 * win while another may still come.
 */
export class Race {
  readonly #pipeline: Pipeline
  readonly #passage: Passage
  readonly #delays: Delays
  readonly #lanes: Lane[] = []
  #decide = () => {}
  winner: Lane | undefined

  constructor(pipeline: Pipeline, passage: Passage, delays: Delays) {
    this.#pipeline = pipeline
    this.#passage = passage
    this.#delays = delays
  }

  enter(): Lane {
    const lane = {
      ...{ second: this.#lanes.length > 0, startMs: this.#pipeline.clock.monotonicMs() },
      ...{ relay: undefined, live: undefined, price: this.#passage.price },
      ...{ over: false, outrun: false },
    }
    this.#lanes.push(lane)
    return lane
  }

  /** Whether nothing is decided after so many milliseconds. */
  isOpenAfter(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      let cancel: Cancel = () => {}
      this.#decide = () => {
        cancel()
        resolve(false)
      }
      cancel = this.#pipeline.clock.after(ms, () => resolve(true))
    })
  }

  end(lane: Lane): void {
    lane.over = true
    this.#decide()
  }

  /** Whether an answer of this status is passed over, since the other attempt may do better. */
  passesOver(lane: Lane, status: number): boolean {
    const bad = status === TOO_MANY_REQUESTS || status >= SERVER_ERROR
    const passed = bad && this.#lanes.some((one) => one !== lane && !one.over)
    if (passed) lane.over = true
    return passed
  }

  /** Its answer begins. False: another's has. */
  wins(lane: Lane, status: number): boolean {
    if (this.winner) return this.winner === lane
    const nowMs = this.#pipeline.clock.monotonicMs()
    this.winner = lane
    if (lane.live) this.#passage.live = lane.live
    this.#passage.price = lane.price
    this.#passage.exchange = lane.relay
    if (status < CLIENT_ERROR) observeDelay(this.#delays, nowMs - (this.#lanes[0]?.startMs ?? 0))
    for (const other of this.#lanes) if (other !== lane && !other.over) outrun(other, nowMs)
    this.#decide()
    return true
  }
}

function outrun(lane: Lane, nowMs: number): void {
  const { live, startMs } = lane
  lane.over = true
  lane.outrun = true
  lane.relay?.abort(OUTRUN)
  // It has taken this long at least; what is less than is known of it says nothing.
  const ms = nowMs - startMs
  if (live && (live.samples === 0 || ms >= latencyAt(live, nowMs))) observeLatency(live, ms, nowMs)
}
