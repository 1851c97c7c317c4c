import { type Clock } from '@signalbox/host'

export interface Waits {
  /** Settles when `isSo` holds, when the time is up, or when all waits are ended. */
  until(isSo: () => boolean, withinMs: number): Promise<void>
  /** Something changed: look again. */
  look(): void
  /** Ends every wait now and lets no new one begin: the process drains. */
  end(): void
}

/** Requests that wait for something to be heard. */
export function createWaits(clock: Clock): Waits {
  const open = new Set<{ readonly isSo: () => boolean; readonly finish: () => void }>()
  let ended = false
  return {
    until: (isSo, withinMs) => {
      if (ended || isSo()) return Promise.resolve()
      return new Promise((resolve) => {
        const wait = {
          isSo,
          finish: () => {
            cancel()
            open.delete(wait)
            resolve()
          },
        }
        const cancel = clock.after(withinMs, wait.finish)
        open.add(wait)
      })
    },
    look: () => {
      for (const wait of [...open]) if (wait.isSo()) wait.finish()
    },
    end: () => {
      ended = true
      for (const wait of [...open]) wait.finish()
    },
  }
}
