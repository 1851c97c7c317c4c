import {
  keyIdIn,
  type Kms,
  kmsOf,
  type MasterKeys,
  openSealed,
  rewrap,
  seal,
  sealEnvelope,
} from '@signalbox/host'
import {
  canonicalJson,
  collection,
  dataKeyOf,
  type Draft,
  err,
  ok,
  refuse,
  type Refusal,
  type Result,
  sealedTextOf,
  type Snapshot,
  withSealedText,
} from '@signalbox/model'
import { type SealedRow } from '@signalbox/store'
import { type Decide } from './check.ts'
import { type NewDataKeys } from './sealing.ts'
import { type Survey } from './survey.ts'

/** Of one revision of a rewrap: well below what the bus carries, whatever the specs hold. */
const REWRAP_BYTES_MAX = 262_144

/** How what stands sealed in the state comes under the master key of now. */
export class Resealing {
  readonly #config: MasterKeys & { readonly fleet: string }
  readonly #kms: Kms

  constructor(config: MasterKeys & { readonly fleet: string }) {
    this.#config = config
    this.#kms = kmsOf(config)
  }

  /**
   * What a change brings back from the past, in the form without data keys, is sealed under one of
   * its own; refused where its master key is not here. What stays as it is stored stays, whoever
   * can open it. An envelope from the past has a data key still, or the store refuses it.
   */
  renewed(decide: Decide, dataKeys: NewDataKeys): Decide {
    return (now, past) => {
      const decided = decide(now, past)
      if (!decided.ok) return decided
      const drafts: Draft[] = []
      for (const draft of decided.value) {
        const renewed = this.#renewedDraft(draft, now, dataKeys)
        if (!renewed.ok) return renewed
        drafts.push(renewed.value)
      }
      return ok(drafts)
    }
  }

  /**
   * Wraps anew the data keys that a survey found under another master key, and seals under a data
   * key what has none: as much as one revision may hold. What has changed since is left alone.
   */
  rewrap({ batch }: Pick<Survey, 'batch'>, dataKeys: NewDataKeys): Decide {
    return (now) => {
      const drafts: Draft[] = []
      let bytes = 0
      for (const row of batch) {
        const { resource, id } = row
        const held = collection(now, resource).get(id)
        if (!held || sealedTextOf(held.spec) !== row.sealed) continue
        const sealed = this.#again(row, dataKeys)
        if (sealed === undefined) continue
        const spec = withSealedText(held.spec, sealed)
        const type = `${resource}.updated` as const
        const draft: Draft = { type, resource, id, version: held.version + 1, spec }
        bytes += canonicalJson(draft).length
        if (drafts.length > 0 && bytes > REWRAP_BYTES_MAX) break
        drafts.push(draft)
      }
      return ok(drafts)
    }
  }

  /** A text without a data key under the key of now; null where it is already, or does not open. */
  renew(sealed: string, place: string): string | null {
    if (keyIdIn(sealed) === this.#kms.keyId) return null
    const { fleet, masterKey } = this.#config
    const opened = openSealed(sealed, this.#config, `${fleet}/${place}`)
    return opened.ok ? seal(opened.text, masterKey, `${fleet}/${place}`) : null
  }

  #renewedDraft(draft: Draft, now: Snapshot, dataKeys: NewDataKeys): Result<Draft, Refusal> {
    const { resource, id, spec } = draft
    const sealed = sealedTextOf(spec)
    if (spec === null || sealed === undefined || dataKeyOf(sealed) !== undefined) return ok(draft)
    const stored = collection(now, resource).get(id)
    if (stored && sealedTextOf(stored.spec) === sealed) return ok(draft)
    const again = this.#enveloped(sealed, `${resource}/${id}`, dataKeys)
    if (again.ok) return ok({ ...draft, spec: withSealedText(spec, again.sealed) })
    const what = resource === 'secret' ? 'the value' : 'the credential'
    return err(refuse('master_key_missing', `${what} of ${resource} ${id} ${again.problem}`))
  }

  /** The text as it is to stand in the state; undefined where its master key is not here. */
  #again({ resource, id, sealed, wrapped }: SealedRow, dataKeys: NewDataKeys): string | undefined {
    const key = dataKeyOf(sealed)
    const place = `${resource}/${id}`
    if (key === undefined) {
      const again = this.#enveloped(sealed, place, dataKeys)
      return again.ok ? again.sealed : undefined
    }
    if (wrapped === null) return undefined
    const again = rewrap({ id: key, wrapped }, this.#kms, `${this.#config.fleet}/${place}`)
    if (!again.ok) return undefined
    dataKeys.set(key, again.wrapped)
    return sealed
  }

  #enveloped(sealed: string, place: string, dataKeys: NewDataKeys) {
    const context = `${this.#config.fleet}/${place}`
    const opened = openSealed(sealed, this.#config, context)
    if (!opened.ok) return opened
    const again = sealEnvelope(opened.text, this.#kms, context)
    dataKeys.set(again.dataKey.id, again.dataKey.wrapped)
    return { ok: true, sealed: again.sealed } as const
  }
}
