import { type Clock } from '@signalbox/host'
import type { Dispatcher, Pool } from 'undici'
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
}

interface Loaded {
  readonly pool: Pool
  readonly bound: IdleBound
}

/**
 * undici's pool, loaded when the first backend needs one: a proxy whose backends all speak plain
 * HTTP/1.1 starts and lives without it. What is dispatched before it is there waits for it.
 */
export class LatePool {
  readonly #loading: Promise<Loaded>
  #loaded: Loaded | null = null

  constructor(origin: string, options: Pool.Options, { idleMax, clock }: LateOptions) {
    const load = async () => {
      const [{ default: UndiciPool }, { IdleBound: Bound }] = await Promise.all([
        import('undici/lib/dispatcher/pool.js'),
        import('./idle-bound.ts'),
      ])
      const bound = new Bound(idleMax, clock)
      this.#loaded = { bound, pool: new UndiciPool(origin, { ...options, factory: bound.open }) }
      return this.#loaded
    }
    this.#loading = load()
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    if (this.#loaded) this.#loaded.pool.dispatch(options, handler)
    else void this.#loading.then(({ pool }) => pool.dispatch(options, handler))
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
    const { pool, bound } = await this.#loading
    bound.stop()
    await pool.close()
  }

  async destroy(): Promise<void> {
    const { pool, bound } = await this.#loading
    bound.stop()
    await pool.destroy()
  }
}
