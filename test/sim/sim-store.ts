import {
  collection,
  type Head,
  type Resource,
  type RevisionMessage,
  RESOURCES,
} from '@signalbox/model'
import { DatabaseUnavailable } from '@signalbox/store'
import { type PublisherDeps } from '../../apps/admin-api/src/publisher.ts'
import { type TestLog } from '../../libs/bus/src/test-log.harness.ts'

/** The log as one publisher's database shows it: perhaps one that a fail-over has left behind. */
export class SimStore implements SimStoreShape {
  readonly #random: () => number
  log: TestLog
  calm = false

  constructor(log: TestLog, random: () => number) {
    this.log = log
    this.#random = random
  }

  onAppend = (): (() => void) => () => {}

  async head(): Promise<Head> {
    this.#mayFail()
    return this.log.head
  }

  /** The world begins an epoch with each fail-over, as the store does. */
  keepEpoch(): Promise<null> {
    return Promise.resolve(null)
  }

  async messagesAfter(revision: number, limit: number): Promise<readonly RevisionMessage[]> {
    this.#mayFail()
    return this.log.messages.slice(revision, revision + limit)
  }

  /** Nothing is sealed here. */
  toPublish(revision: number, limit: number): Promise<readonly RevisionMessage[]> {
    return this.messagesAfter(revision, limit)
  }

  async visitToPublish(
    visit: (name: (typeof RESOURCES)[number], resources: readonly Resource[]) => Promise<void>,
  ): Promise<Head> {
    const { state } = this.log
    for (const name of RESOURCES) {
      this.#mayFail()
      const all: Resource[] = [...collection(state, name).values()]
      all.sort((one, other) => (one.id < other.id ? -1 : 1))
      if (all.length > 0) await visit(name, all)
    }
    return state.head
  }

  #mayFail(): void {
    if (!this.calm && this.#random() < 0.01) throw new DatabaseUnavailable('no answer')
  }
}

type SimStoreShape = PublisherDeps['store']
