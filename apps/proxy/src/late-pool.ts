import type { Dispatcher, Pool } from 'undici'

/** Of undici's pool, what an upstream asks. */
interface Stats {
  readonly connected: number
  readonly free: number
}

const NONE: Stats = { connected: 0, free: 0 }

/**
 * undici's pool, loaded when the first backend needs one: a proxy whose backends all speak plain
 * HTTP/1.1 starts and lives without it. What is dispatched before it is there waits for it.
 */
export class LatePool {
  readonly #loading: Promise<Pool>
  #pool: Pool | null = null

  constructor(origin: string, options: Pool.Options) {
    this.#loading = import('undici/lib/dispatcher/pool.js').then(({ default: Loaded }) => {
      this.#pool = new Loaded(origin, options)
      return this.#pool
    })
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    if (this.#pool) this.#pool.dispatch(options, handler)
    else void this.#loading.then((pool) => pool.dispatch(options, handler))
  }

  get stats(): Stats {
    return this.#pool?.stats ?? NONE
  }

  /** Ends when its requests have. */
  async close(): Promise<void> {
    await (await this.#loading).close()
  }

  async destroy(): Promise<void> {
    await (await this.#loading).destroy()
  }
}
