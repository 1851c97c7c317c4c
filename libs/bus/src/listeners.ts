import { type Unsubscribe } from './bus.ts'

/** Who wants to hear of one kind of thing. */
export interface Listeners<Value> {
  add(listener: (value: Value) => void): Unsubscribe
  emit(value: Value): void
  readonly size: number
}

/** `onUse` is told when the first listener comes (true) and when the last one goes (false). */
export function listeners<Value>(onUse?: (used: boolean) => void): Listeners<Value> {
  // Wrapped, so that a function that is added twice is called twice and taken away singly.
  const all = new Set<{ readonly listener: (value: Value) => void }>()
  return {
    add: (listener) => {
      const entry = { listener }
      all.add(entry)
      if (all.size === 1) onUse?.(true)
      return () => {
        if (all.delete(entry) && all.size === 0) onUse?.(false)
      }
    },
    emit: (value) => {
      for (const { listener } of [...all]) listener(value)
    },
    get size() {
      return all.size
    },
  }
}
