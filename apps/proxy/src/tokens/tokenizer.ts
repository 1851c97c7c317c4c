import { Worker } from 'node:worker_threads'
import { type Cancel, type Clock } from '@signalbox/host'

/** Texts that wait to be counted; what is over it is not. */
export const WAITING_MAX = 1_000
/** After so long without work the thread ends, and its memory is free again. */
export const IDLE_MS = 60_000
/** A thread that failed is not started again sooner. */
export const FAILED_MS = 60_000
/** Of the thread's heap. */
const HEAP_MB_MAX = 192
const FILE = import.meta.url.endsWith('.ts') ? './count-tokens.ts' : './count-tokens.js'

interface Counted {
  readonly id: number
  readonly counts: readonly number[]
}
type Resolve = (counts: readonly number[] | undefined) => void

/** Counts tokens in a thread of its own, which lives while there is work. */
export class Tokenizer {
  readonly #clock: Clock
  readonly #waiting = new Map<number, Resolve>()
  #worker: Worker | undefined
  #cancelIdle: Cancel = () => {}
  #notBeforeMs = -Infinity
  #ids = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Undefined where they cannot be counted now. Never rejects. */
  count(texts: readonly string[]): Promise<readonly number[] | undefined> {
    const worker = this.#waiting.size < WAITING_MAX ? this.#started() : undefined
    if (!worker) return Promise.resolve(undefined)
    const id = ++this.#ids
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      worker.postMessage({ id, texts })
    })
  }

  /** Whether a thread is there. */
  get isRunning(): boolean {
    return this.#worker !== undefined
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#end()
    await worker?.terminate()
  }

  #started(): Worker | undefined {
    this.#cancelIdle()
    if (this.#worker) return this.#worker
    if (this.#clock.monotonicMs() < this.#notBeforeMs) return undefined
    const limits = { maxOldGenerationSizeMb: HEAP_MB_MAX }
    const worker = new Worker(new URL(FILE, import.meta.url), { resourceLimits: limits })
    worker.unref()
    worker.on('message', (counted: Counted) => this.#counted(counted))
    worker.on('error', () => this.#failed(worker))
    worker.on('exit', () => this.#failed(worker))
    this.#worker = worker
    return worker
  }

  #counted({ id, counts }: Counted): void {
    this.#waiting.get(id)?.(counts)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) {
      this.#cancelIdle = this.#clock.after(IDLE_MS, () => void this.stop())
    }
  }

  #failed(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#notBeforeMs = this.#clock.monotonicMs() + FAILED_MS
    this.#end()
  }

  #end(): void {
    this.#cancelIdle()
    this.#worker = undefined
    for (const resolve of this.#waiting.values()) resolve(undefined)
    this.#waiting.clear()
  }
}
