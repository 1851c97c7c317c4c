import { type Clock } from '@signalbox/host'
import { err, ok, type Result, type Snapshot } from '@signalbox/model'
import { type DiskCopy, type Loaded } from '@signalbox/bus'

/** Disk of one follower: saves take time, fail, and may or may not survive a crash. */
export class SimDisk implements DiskCopy {
  readonly durable: Snapshot[] = []
  readonly #clock: Clock
  readonly #random: () => number
  calm = false
  #incarnation = 0

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  crash(): void {
    this.#incarnation += 1
    if (this.#random() < 0.2) this.durable.pop()
    if (this.#random() < 0.1) this.durable.length = 0
  }

  load(): Promise<Loaded> {
    return Promise.resolve({ snapshot: this.durable.at(-1) ?? null, problems: [] })
  }

  save(snapshot: Snapshot): Promise<Result<void, string>> {
    if (!this.calm && this.#random() < 0.05) return Promise.resolve(err('no space left'))
    const incarnation = this.#incarnation
    return new Promise((resolve) => {
      this.#clock.after(this.#random() * 300, () => {
        if (incarnation !== this.#incarnation) return
        this.durable.push(snapshot)
        resolve(ok(undefined))
      })
    })
  }
}
