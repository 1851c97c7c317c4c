import { type Clock } from '@signalbox/host'
import type { Dispatcher, Pool } from 'undici'
import { failUnconnected } from './h1/index.ts'
import type { IdleBound } from './idle-bound.ts'

/** Of undici's pool, what an upstream asks. */
interface Stats {
  readonly connected: number
  readonly free: number
}

const NONE: Stats = { connected: 0, free: 0 }

export interface LateOptions {
  /** Connections without a request that are kept. */
  readonly idleMax: number
  readonly clock: Clock
  /** Other than by import(). */
  readonly load?: () => Promise<Parts>
}

interface Loaded {
  readonly pool: Pool
  readonly bound: IdleBound
}

/** What is loaded late. */
export interface Parts {
  readonly Pool: typeof Pool
  readonly IdleBound: typeof IdleBound
}

async function importParts(): Promise<Parts> {
  const [pool, bound] = await Promise.all([
    import('undici/lib/dispatcher/pool.js'),
    import('./idle-bound.ts'),
  ])
  return { Pool: pool.default, IdleBound: bound.IdleBound }
}

/**
 * undici's pool, loaded when the first backend needs one: a proxy whose backends all speak plain
 * HTTP/1.1 starts and lives without it. What is dispatched before it is there waits for it. Where
 * it cannot be loaded (no file may be opened, or the program's files are being replaced) what waits
 * fails as it does where no connection can be made, and the next request tries again.
 */
export class LatePool {
  readonly #open: () => Promise<Loaded>
  /** Never rejects: nobody may be there to hear of it. */
  #loading: Promise<Loaded | Error>
  #loaded: Loaded | null = null
  #failed = false
  #closing = false

  constructor(origin: string, options: Pool.Options, { idleMax, clock, load }: LateOptions) {
    this.#open = async () => {
      const { Pool: UndiciPool, IdleBound: Bound } = await (load ?? importParts)()
      const bound = new Bound(idleMax, clock)
      return { bound, pool: new UndiciPool(origin, { ...options, factory: bound.open }) }
    }
    this.#loading = this.#load()
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    if (this.#loaded) return void this.#loaded.pool.dispatch(options, handler)
    if (this.#failed && !this.#closing) this.#loading = this.#load()
    void this.#loading.then((loaded) => {
      if (loaded instanceof Error) failUnconnected(handler, loaded)
      else loaded.pool.dispatch(options, handler)
    })
  }

  get stats(): Stats {
    return this.#loaded?.pool.stats ?? NONE
  }

  /** A request has ended: there may be too many unused connections. */
  freed(): void {
    this.#loaded?.bound.freed()
  }

  /** Ends when its requests have. */
  async close(): Promise<void> {
    const pool = await this.#last()
    await pool?.close()
  }

  async destroy(): Promise<void> {
    const pool = await this.#last()
    await pool?.destroy()
  }

  /** The pool, where there is one; from now on none is loaded. */
  async #last(): Promise<Pool | undefined> {
    this.#closing = true
    const loaded = await this.#loading
    if (loaded instanceof Error) return undefined
    loaded.bound.stop()
    return loaded.pool
  }

  async #load(): Promise<Loaded | Error> {
    this.#failed = false
    try {
      this.#loaded = await this.#open()
      return this.#loaded
    } catch (error) {
      this.#failed = true
      return error instanceof Error ? error : new Error(String(error))
    }
  }
}
