import { keyIdIn, keyIdOf, type MasterKeys, openSealed, seal } from '@signalbox/host'
import {
  canonicalJson,
  type Draft,
  err,
  ok,
  refuse,
  type Refusal,
  type Resource,
  type Result,
  sealedOf,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { type Decide } from './check.ts'

/** Of one revision of a rewrap: well below what the bus carries, whatever the specs hold. */
const REWRAP_BYTES_MAX = 262_144
const REWRAP_COUNT_MAX = 500
const NAMED_MAX = 20

type Holder = 'secret' | 'backend'

/** How much is sealed under one master key. */
export interface KeyUse {
  /** Null: the text names no key, and none that is here opens it. */
  readonly key: string | null
  readonly state: 'current' | 'previous' | 'missing'
  readonly secrets: number
  readonly backends: number
}

export interface SealedStatus {
  /** The id of the key that seals now, and of those that only open. */
  readonly key: string
  readonly previousKeys: readonly string[]
  readonly keys: readonly KeyUse[]
  /** What a rewrap would seal anew. */
  readonly remaining: number
  /** What no key here opens, by name: twenty at most. */
  readonly missing: readonly string[]
}

interface Sealed {
  readonly resource: Holder
  readonly held: Resource<Holder>
  readonly sealed: string
}

/** What stands sealed under the master key in the state, and how it comes under another one. */
export class Resealing {
  readonly #config: MasterKeys & { readonly fleet: string }
  readonly #current: string
  readonly #previous: readonly string[]

  constructor(config: MasterKeys & { readonly fleet: string }) {
    this.#config = config
    this.#current = keyIdOf(config.masterKey)
    this.#previous = (config.previousMasterKeys ?? []).map(keyIdOf)
  }

  /**
   * What a change brings back from the past is sealed under the key of now; refused where its own
   * is not here. What stays as it is stored stays, whoever can open it.
   */
  renewed(decide: Decide): Decide {
    return (now, past) => {
      const decided = decide(now, past)
      if (!decided.ok) return decided
      const drafts: Draft[] = []
      for (const draft of decided.value) {
        const renewed = this.#renewedDraft(draft, now)
        if (!renewed.ok) return renewed
        drafts.push(renewed.value)
      }
      return ok(drafts)
    }
  }

  /** Seals anew what is not under the key of now: as much as one revision may hold. */
  rewrap(): Decide {
    return (now) => {
      const drafts: Draft[] = []
      let bytes = 0
      for (const { resource, held, sealed } of sealedIn(now)) {
        const again = this.#again(sealed, `${resource}/${held.id}`)
        if (!again?.ok) continue
        const { id, version } = held
        const spec = withSealed(held.spec, again.sealed)
        const type = `${resource}.updated` as const
        const draft: Draft = { type, resource, id, version: version + 1, spec }
        bytes += canonicalJson(draft).length
        if (drafts.length > 0 && bytes > REWRAP_BYTES_MAX) break
        if (drafts.push(draft) === REWRAP_COUNT_MAX) break
      }
      return ok(drafts)
    }
  }

  status(now: Snapshot): SealedStatus {
    const uses = new Map<string | null, { secrets: number; backends: number }>()
    const missing: string[] = []
    let remaining = 0
    for (const id of [this.#current, ...this.#previous]) uses.set(id, { secrets: 0, backends: 0 })
    for (const { resource, held, sealed } of sealedIn(now)) {
      const name = `${resource}/${held.id}`
      const key = this.#keyOf(sealed, name)
      const use = uses.get(key) ?? { secrets: 0, backends: 0 }
      use[resource === 'secret' ? 'secrets' : 'backends']++
      uses.set(key, use)
      if (this.#stateOf(key) === 'missing') missing.push(name)
      else if (keyIdIn(sealed) !== this.#current) remaining++
    }
    return {
      key: this.#current,
      previousKeys: this.#previous,
      keys: [...uses].map(([key, use]) => ({ key, state: this.#stateOf(key), ...use })),
      remaining,
      missing: missing.slice(0, NAMED_MAX),
    }
  }

  /** A text under the key of now; null where it is already, or does not open. */
  renew(sealed: string, place: string): string | null {
    const again = this.#again(sealed, place)
    return again?.ok ? again.sealed : null
  }

  #renewedDraft(draft: Draft, now: Snapshot): Result<Draft, Refusal> {
    const { resource, id, spec } = draft
    const sealed = sealedTextOf(spec)
    if (spec === null || sealed === undefined) return ok(draft)
    const stored = resource === 'secret' ? now.secrets.get(id) : now.backends.get(id)
    if (stored && sealedTextOf(stored.spec) === sealed) return ok(draft)
    const again = this.#again(sealed, `${resource}/${id}`)
    if (!again) return ok(draft)
    if (again.ok) return ok({ ...draft, spec: withSealed(spec, again.sealed) })
    const what = resource === 'secret' ? 'the value' : 'the credential'
    return err(refuse('master_key_missing', `${what} of ${resource} ${id} ${again.problem}`))
  }

  #again(sealed: string, place: string) {
    if (keyIdIn(sealed) === this.#current) return undefined
    const context = `${this.#config.fleet}/${place}`
    const opened = openSealed(sealed, this.#config, context)
    if (!opened.ok) return opened
    return { ok: true, sealed: seal(opened.text, this.#config.masterKey, context) } as const
  }

  /** Text of the older form names no key: it is tried. */
  #keyOf(sealed: string, place: string): string | null {
    const named = keyIdIn(sealed)
    if (named !== null) return named
    return openSealed(sealed, this.#config, `${this.#config.fleet}/${place}`).keyId
  }

  #stateOf(key: string | null): KeyUse['state'] {
    if (key === this.#current) return 'current'
    return key !== null && this.#previous.includes(key) ? 'previous' : 'missing'
  }
}

function* sealedIn({ secrets, backends }: Snapshot): Generator<Sealed> {
  for (const held of secrets.values()) {
    yield { resource: 'secret', held, sealed: held.spec.sealed }
  }
  for (const held of backends.values()) {
    const sealed = sealedTextOf(held.spec)
    if (sealed !== undefined) yield { resource: 'backend', held, sealed }
  }
}

function sealedTextOf(spec: Spec | null): string | undefined {
  if (spec === null) return undefined
  if ('sealed' in spec) return spec.sealed
  return 'credential' in spec ? sealedOf(spec)?.sealed : undefined
}

/** The same spec with its secret sealed anew; the fingerprint stays, so that exports hold. */
function withSealed(spec: Spec, sealed: string): Spec {
  if ('sealed' in spec) return { ...spec, sealed }
  const own = 'credential' in spec ? sealedOf(spec) : undefined
  return own ? ({ ...spec, credential: { ...own, sealed } } as Spec) : spec
}
