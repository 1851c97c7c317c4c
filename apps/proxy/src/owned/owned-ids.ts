import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { type MasterKeys } from '@signalbox/host'
import { type Edit } from '../body-splice.ts'

/*
 * What a backend keeps (a file, a batch, a response) can be asked for there alone. No proxy keeps a
 * list of who has what: the id that a client gets says it.
 *
 *     file-abc  ->  file-abc_sbx_<signature>_<backend>
 *
 * The signature is over the backend, the backend's own id and the client's key: nobody can make
 * an id up, or use another key's. All proxies of a fleet have the same master key, and so the same
 * ids.
 */

const MARK = '_sbx_'
const SIGNATURE_CHARACTERS = 22
const KEY_BYTES = 32
const TAGGED =
  /^([A-Za-z0-9_.-]{1,256}?)_sbx_([A-Za-z0-9_-]{22})_([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/
const IN_JSON = /"([A-Za-z0-9_.-]{1,256}?_sbx_[A-Za-z0-9_-]{22}_[A-Za-z0-9][A-Za-z0-9._-]{0,62})"/g
/** Members that hold an id which a backend gave, and how such ids begin. */
const MEMBER =
  '(?:id|response_id|previous_response_id|(?:input_|output_|error_)?file_id|first_id|last_id)'
const GIVEN = new RegExp(
  `("${MEMBER}"\\s*:\\s*")((?:resp|file|batch)[-_][A-Za-z0-9_.-]{1,200})(?=")`,
  'g',
)

export interface Owner {
  readonly backend: string
  /** As the backend knows it. */
  readonly id: string
}

/** What a body says of who has the things that it names. */
export interface Named {
  readonly owners: readonly Owner[]
  /** Puts the backend's own ids in their place. */
  readonly edits: readonly Edit[]
  /** Whether an id was none of this key's, or of anybody's. */
  readonly unknown: boolean
}

const NONE: Named = { owners: [], edits: [], unknown: false }

export class OwnedIds {
  readonly #keys: readonly Uint8Array[]

  constructor({ masterKey, previousMasterKeys = [] }: MasterKeys) {
    this.#keys = [masterKey, ...previousMasterKeys].map(
      (one) => new Uint8Array(hkdfSync('sha256', one, '', 'signalbox/owned-ids', KEY_BYTES)),
    )
  }

  /** `key`: id of the client's, '' where it has none. */
  tag(owner: Owner, key: string): string {
    const [first = new Uint8Array()] = this.#keys
    return `${owner.id}${MARK}${sign(first, owner, key)}_${owner.backend}`
  }

  read(tagged: string, key: string): Owner | undefined {
    const [, id = '', signature = '', backend = ''] = TAGGED.exec(tagged) ?? []
    const owner = { backend, id }
    const given = Buffer.from(signature)
    const isOurs = this.#keys.some((one) => {
      const right = Buffer.from(sign(one, owner, key))
      return right.length === given.length && timingSafeEqual(right, given)
    })
    return isOurs ? owner : undefined
  }

  /** Costs one search where a body names nothing of this kind. */
  namedIn(body: Buffer, key: string): Named {
    if (!body.includes(MARK)) return NONE
    const owners: Owner[] = []
    const edits: Edit[] = []
    let unknown = false
    for (const { 1: tagged = '', index } of body.toString('latin1').matchAll(IN_JSON)) {
      const owner = this.read(tagged, key)
      if (!owner) unknown = true
      else {
        owners.push(owner)
        edits.push({ start: index + 1, end: index + 1 + tagged.length, text: owner.id })
      }
    }
    return { owners, edits, unknown }
  }

  /** The text of an answer with this backend's ids tagged; all else byte for byte. */
  tagAll(text: string, backend: string, key: string): string {
    return text.replaceAll(GIVEN, (_all, before: string, id: string) => {
      return before + (id.includes(MARK) ? id : this.tag({ backend, id }, key))
    })
  }
}

function sign(secret: Uint8Array, { backend, id }: Owner, key: string): string {
  const text = JSON.stringify([backend, id, key])
  const mac = createHmac('sha256', secret).update(text).digest('base64url')
  return mac.slice(0, SIGNATURE_CHARACTERS)
}
