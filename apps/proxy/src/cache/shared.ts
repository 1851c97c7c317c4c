import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { derive, type Log } from '@signalbox/host'
import type { Redis } from 'ioredis'
import { decodeAnswer, encodeAnswer, type KeptAnswer } from './kept-answer.ts'

const CONNECT_MS = 2_000
const RETRY_MS_MAX = 10_000
const NONCE_BYTES = 12
const TAG_BYTES = 16
const ALGORITHM = 'aes-256-gcm'

export interface SharedOptions {
  readonly url: string
  /** What a look into Redis may cost a request. */
  readonly answerMs: number
  readonly fleet: string
  readonly masterKey: Uint8Array
  readonly log: Log
  /** A look or a write that failed. */
  readonly onError: () => void
}

/**
 * Answers that the proxies of a fleet share by Redis. Redis sees neither a prompt nor an answer:
 * names are keyed hashes, values are encrypted, both under keys that derive from the master key. A
 * Redis that is slow, full or gone is a miss: nothing here rejects, and nobody waits longer than
 * `answerMs`.
 */
export class SharedCache {
  readonly #options: SharedOptions
  readonly #nameKey: Buffer
  readonly #valueKey: Buffer
  #redis: Redis | null = null
  #opening = false
  #stopped = false

  constructor(options: SharedOptions) {
    this.#options = options
    this.#nameKey = derive(options.masterKey, 'cache-name')
    this.#valueKey = derive(options.masterKey, 'cache-value')
  }

  get connected(): boolean {
    return this.#redis?.status === 'ready'
  }

  async get(key: string): Promise<KeptAnswer | undefined> {
    const redis = this.#ready()
    if (!redis) return undefined
    const name = this.#nameOf(key)
    try {
      const bytes = await redis.getBuffer(name)
      const clear = bytes && this.#decrypt(bytes, name)
      return clear ? decodeAnswer(clear) : undefined
    } catch {
      this.#options.onError()
      return undefined
    }
  }

  /** Does not wait. */
  put(key: string, answer: KeptAnswer, ttlMs: number): void {
    const redis = this.#ready()
    if (!redis) return
    const name = this.#nameOf(key)
    const value = this.#encrypt(encodeAnswer(answer), name)
    redis.set(name, value, 'PX', Math.ceil(ttlMs)).catch(() => this.#options.onError())
  }

  stop(): void {
    this.#stopped = true
    this.#redis?.disconnect()
  }

  /** Null while there is no connection: who asks must not wait for one. */
  #ready(): Redis | null {
    if (!this.#redis && !this.#opening && !this.#stopped) {
      // Once: what cannot be opened now cannot be with the next request.
      this.#open().catch(() => {
        this.#options.onError()
        this.#options.log.error({}, 'the shared cache cannot be opened: is its address right?')
      })
    }
    return this.#redis?.status === 'ready' ? this.#redis : null
  }

  /** Only what somebody's policy wants is loaded. */
  async #open(): Promise<void> {
    this.#opening = true
    const { url, log, answerMs } = this.#options
    const { Redis } = await import('ioredis')
    if (this.#stopped) return
    const redis = new Redis(url, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_MS,
      commandTimeout: answerMs,
      // A server that answers nothing is left: what waits for it must not grow.
      socketTimeout: CONNECT_MS,
      retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times, 10), RETRY_MS_MAX),
    })
    let told = false
    redis.on('error', (error: Error) => {
      // Once an outage; its address may hold a password and is not said.
      if (!told) log.warn({ cause: error.message }, 'the shared cache cannot be reached')
      told = true
    })
    redis.on('ready', () => {
      if (told) log.info({}, 'the shared cache is back')
      told = false
    })
    this.#redis = redis
  }

  #nameOf(key: string): string {
    const name = createHmac('sha256', this.#nameKey).update(key).digest('base64url')
    return `sb:${this.#options.fleet}:answer:${name}`
  }

  #encrypt(clear: Buffer, name: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.#valueKey, nonce)
    cipher.setAAD(Buffer.from(name))
    const body = Buffer.concat([cipher.update(clear), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), body])
  }

  /** Undefined for what was not encrypted here, or under another name. */
  #decrypt(bytes: Buffer, name: string): Buffer | undefined {
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
    const decipher = createDecipheriv(ALGORITHM, this.#valueKey, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(name))
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    try {
      return Buffer.concat([
        decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)),
        decipher.final(),
      ])
    } catch {
      return undefined
    }
  }
}
