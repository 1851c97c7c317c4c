import { type MasterKeys, openSealed, seal } from '@signalbox/host'
import { type Store, type StoredAnswer } from '@signalbox/store'
import { refused } from './refused.ts'
import { type Resealing } from './resealing.ts'

/** Before a kept answer that holds a token. No JSON starts so. */
const SEALED = 'sealed:'
const PLACE = 'answer'
/** Read at a time. */
export const KEPT_PAGE = 500

/** Answers that hold a token and are kept for an Idempotency-Key are kept sealed. */
export class KeptAnswers {
  readonly #config: MasterKeys & { readonly fleet: string }
  readonly #store: Pick<Store, 'keptAnswers' | 'replaceAnswer'>

  constructor(
    config: MasterKeys & { readonly fleet: string },
    store: Pick<Store, 'keptAnswers' | 'replaceAnswer'>,
  ) {
    this.#config = config
    this.#store = store
  }

  sealed(text: string): string {
    const { fleet, masterKey } = this.#config
    return `${SEALED}${seal(text, masterKey, `${fleet}/${PLACE}`)}`
  }

  opened(answer: StoredAnswer): StoredAnswer {
    if (!answer.body.startsWith(SEALED)) return answer
    const sealed = answer.body.slice(SEALED.length)
    const body = openSealed(sealed, this.#config, `${this.#config.fleet}/${PLACE}`)
    if (body.ok) return { ...answer, body: body.text }
    throw refused('master_key_missing', `the answer that was kept for this key ${body.problem}`)
  }

  /** How many are not under the key of now. */
  async remaining(resealing: Resealing): Promise<number> {
    let count = 0
    for await (const { sealed } of this.#all()) {
      if (resealing.renew(sealed, PLACE) !== null) count++
    }
    return count
  }

  async renew(resealing: Resealing): Promise<void> {
    for await (const { key, body, sealed } of this.#all()) {
      const again = resealing.renew(sealed, PLACE)
      if (again !== null) await this.#store.replaceAnswer({ key, body }, `${SEALED}${again}`)
    }
  }

  async *#all() {
    for (let after = ''; ;) {
      const kept = await this.#store.keptAnswers(SEALED, { after, limit: KEPT_PAGE })
      for (const one of kept) yield { ...one, sealed: one.body.slice(SEALED.length) }
      const last = kept.at(-1)
      if (!last || kept.length < KEPT_PAGE) return
      after = last.key
    }
  }
}
