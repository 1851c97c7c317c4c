import { type Cancel } from '@signalbox/host'
import { type Bus, BusUnavailable, type UsageBatch } from '../bus.ts'

/** A batch that the child is to store. */
export interface ToStore {
  readonly bus: 'store'
  readonly id: number
  readonly value: UsageBatch
}

/** A child that stores usage, as the hub sees it. */
export class ChildStores {
  readonly #post: (message: ToStore) => boolean
  readonly #pendingMax: number
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>()
  #unsubscribe: Cancel = () => {}
  #nextId = 1

  constructor(post: (message: ToStore) => boolean, pendingMax: number) {
    this.#post = post
    this.#pendingMax = pendingMax
  }

  set(bus: Bus, on: boolean): void {
    this.#unsubscribe()
    this.#unsubscribe = on ? bus.onUsage((batch) => this.#store(batch)) : () => {}
  }

  settle({ id, ok }: { readonly id: number; readonly ok: boolean }): void {
    const one = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (ok) one?.resolve()
    else one?.reject(new BusUnavailable('the batch was not stored'))
  }

  end(): void {
    this.#unsubscribe()
    for (const id of [...this.#waiting.keys()]) this.settle({ id, ok: false })
  }

  #store(value: UsageBatch): Promise<void> {
    if (this.#waiting.size >= this.#pendingMax) {
      return Promise.reject(new BusUnavailable('too many batches wait'))
    }
    const id = this.#nextId++
    const one = Promise.withResolvers<void>()
    this.#waiting.set(id, one)
    if (!this.#post({ bus: 'store', id, value })) this.settle({ id, ok: false })
    return one.promise
  }
}
