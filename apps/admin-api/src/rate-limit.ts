import { type Clock } from '@signalbox/host'
import { type FastifyInstance } from 'fastify'
import { refused } from './refused.ts'

/** Calls a second that one address may make in the long run, and at once. */
export const CALLS_PER_S = 1_000
export const CALLS_AT_ONCE = 2_000
/** Addresses that are told apart; the others share one bucket. */
const ADDRESSES_MAX = 10_000
const OTHERS = 'others'
const MS_PER_S = 1_000
const RETRY_AFTER_S = '1'

interface Bucket {
  tokens: number
  atMs: number
}

/**
 * A token bucket for each address: whoever runs wild is refused before anything is looked at,
 * tokens included, and nobody else waits for it. Buckets that are full again are forgotten.
 */
export class RateLimit {
  readonly #clock: Clock
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether this address may call now. */
  take(address: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#bucketOf(address, nowMs)
    const gained = ((nowMs - bucket.atMs) / MS_PER_S) * CALLS_PER_S
    bucket.tokens = Math.min(CALLS_AT_ONCE, bucket.tokens + gained)
    bucket.atMs = nowMs
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  #bucketOf(address: string, nowMs: number): Bucket {
    const known = this.#buckets.get(address)
    if (known) return known
    if (this.#buckets.size >= ADDRESSES_MAX) this.#forgetFull(nowMs)
    if (this.#buckets.size >= ADDRESSES_MAX && address !== OTHERS) {
      return this.#bucketOf(OTHERS, nowMs)
    }
    const bucket = { tokens: CALLS_AT_ONCE, atMs: nowMs }
    this.#buckets.set(address, bucket)
    return bucket
  }

  #forgetFull(nowMs: number): void {
    const fullMs = (CALLS_AT_ONCE / CALLS_PER_S) * MS_PER_S
    for (const [address, { atMs }] of this.#buckets) {
      if (nowMs - atMs >= fullMs) this.#buckets.delete(address)
    }
  }
}

/** Refuses with 429 what is over the limit. */
export function limitRate(fastify: FastifyInstance, clock: Clock): void {
  const limit = new RateLimit(clock)
  fastify.addHook('onRequest', (request, reply, done) => {
    // None on a Unix socket: who may open it is decided elsewhere.
    const { remoteAddress } = request.raw.socket
    if (remoteAddress === undefined || limit.take(remoteAddress)) return done()
    void reply.header('retry-after', RETRY_AFTER_S)
    done(refused('admin_rate_limited', `over ${CALLS_PER_S} calls a second from this address`))
  })
}
