import { type Command, type ConfigDocument, isObject } from '@signalbox/control'
import { fingerprint, type Kms, kmsOf, sealEnvelope } from '@signalbox/host'
import { type AdminConfig } from './config.ts'
import { type Refused, refused } from './refused.ts'

const VALUE_LENGTH_MAX = 4_096

/** Wrapped data keys by their ids: what a change seals under, for the store to keep. */
export type NewDataKeys = Map<string, string>

/** Where a spec stands: whose it is, and its path in the body; and who collects its data key. */
interface Place {
  readonly id: string
  readonly at: string
  readonly dataKeys: NewDataKeys
}

interface Sealed {
  readonly field: string
  readonly place: string
  readonly dataKeys: NewDataKeys
}

/**
 * What is written and never read again, `apiKey` of a backend and `value` of a secret, is sealed
 * before anybody else sees the spec. Only this makes sealed text: bytes from elsewhere would not
 * open in a proxy.
 */
export class Sealing {
  readonly #config: Pick<AdminConfig, 'fleet' | 'masterKey'>

  readonly #kms: Kms

  constructor(config: Pick<AdminConfig, 'fleet' | 'masterKey'>) {
    this.#config = config
    this.#kms = kmsOf(config)
  }

  /** `at` is where the command stands in the body: empty, or `operations.2.`. */
  command(command: Command, at: string, dataKeys: NewDataKeys): Command {
    const { resource } = command
    if ((resource !== 'backend' && resource !== 'secret') || command.op === 'delete') return command
    const place = { id: String(command.id), at: `${at}spec`, dataKeys }
    const sealed = (spec: unknown) =>
      resource === 'secret' ? this.#secret(spec, place) : this.#backend(spec, place)
    if (command.op !== 'patch') return { ...command, spec: sealed(command.spec) }
    const { patch } = command
    const clears = isObject(patch) && patch['apiKey'] === null && !('credential' in patch)
    if (!clears || resource === 'secret') return { ...command, patch: sealed(patch) }
    const { apiKey: _apiKey, ...rest } = patch
    return { ...command, patch: { ...rest, credential: null } }
  }

  document(
    { secrets = {}, backends = {}, ...rest }: ConfigDocument,
    dataKeys: NewDataKeys,
  ): ConfigDocument {
    const sealed = (
      plural: string,
      specs: Readonly<Record<string, unknown>>,
      seal: (spec: unknown, place: Place) => unknown,
    ) =>
      Object.fromEntries(
        Object.entries(specs).map(([id, spec]) => {
          return [id, seal(spec, { id, at: `${plural}.${id}`, dataKeys })]
        }),
      )
    return {
      ...rest,
      secrets: sealed('secrets', secrets, (spec, place) => this.#secret(spec, place)),
      backends: sealed('backends', backends, (spec, place) => this.#backend(spec, place)),
    }
  }

  #secret(spec: unknown, { id, at, dataKeys }: Place): unknown {
    if (!isObject(spec)) return spec
    if ('sealed' in spec) throw wrongField(`${at}.sealed`, 'send value instead')
    if (!('value' in spec)) return spec
    const { value, fingerprint: _shown, ...rest } = spec
    const facts = { field: `${at}.value`, place: `secret/${id}`, dataKeys }
    return { ...rest, ...this.#sealed(value, facts) }
  }

  #backend(spec: unknown, { id, at, dataKeys }: Place): unknown {
    if (!isObject(spec)) return spec
    const { credential } = spec
    if (isObject(credential) && 'sealed' in credential) {
      throw wrongField(`${at}.credential.sealed`, 'send apiKey instead')
    }
    if (!('apiKey' in spec)) return spec
    const { apiKey, ...rest } = spec
    if ('credential' in rest) {
      throw wrongField(`${at}.apiKey`, 'expected either apiKey or credential')
    }
    const facts = { field: `${at}.apiKey`, place: `backend/${id}`, dataKeys }
    return { ...rest, credential: this.#sealed(apiKey, facts) }
  }

  #sealed(value: unknown, { field, place, dataKeys }: Sealed) {
    const fits = typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
    if (!fits || value.length > VALUE_LENGTH_MAX) {
      throw wrongField(field, 'expected 1 to 4096 visible characters')
    }
    const { fleet, masterKey } = this.#config
    const { sealed, dataKey } = sealEnvelope(value, this.#kms, `${fleet}/${place}`)
    dataKeys.set(dataKey.id, dataKey.wrapped)
    return { sealed, fingerprint: fingerprint(value, masterKey) }
  }
}

function wrongField(path: string, message: string): Refused {
  return refused('validation_failed', 'the spec is not valid', [{ path, message }])
}
