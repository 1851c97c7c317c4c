import { type Command, type ConfigDocument, isObject } from '@signalbox/control'
import { fingerprint, seal } from '@signalbox/host'
import { type AdminConfig } from './config.ts'
import { type Refused, refused } from './refused.ts'

const API_KEY_LENGTH_MAX = 4_096

/**
 * The shorthand `apiKey` becomes a sealed credential before anybody else sees the spec. Only this
 * makes sealed credentials: bytes from elsewhere would not open in a proxy.
 */
export class Sealing {
  readonly #config: Pick<AdminConfig, 'fleet' | 'masterKey'>

  constructor(config: Pick<AdminConfig, 'fleet' | 'masterKey'>) {
    this.#config = config
  }

  /** `at` is where the command stands in the body: empty, or `operations.2.`. */
  command(command: Command, at: string): Command {
    if (command.resource !== 'backend' || command.op === 'delete') return command
    const place = { id: String(command.id), at: `${at}spec` }
    if (command.op !== 'patch') return { ...command, spec: this.#spec(command.spec, place) }
    const { patch } = command
    const clears = isObject(patch) && patch['apiKey'] === null && !('credential' in patch)
    if (!clears) return { ...command, patch: this.#spec(patch, place) }
    const { apiKey: _apiKey, ...rest } = patch
    return { ...command, patch: { ...rest, credential: null } }
  }

  document({ backends = {}, ...rest }: ConfigDocument): ConfigDocument {
    const sealed = Object.entries(backends).map(([id, spec]) => {
      return [id, this.#spec(spec, { id, at: `backends.${id}` })]
    })
    return { ...rest, backends: Object.fromEntries(sealed) }
  }

  #spec(spec: unknown, { id, at }: { readonly id: string; readonly at: string }): unknown {
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
    const fits = typeof apiKey === 'string' && /^[\x21-\x7e]+$/.test(apiKey)
    if (!fits || apiKey.length > API_KEY_LENGTH_MAX) {
      throw wrongField(`${at}.apiKey`, 'expected 1 to 4096 visible characters')
    }
    const { fleet, masterKey } = this.#config
    const sealed = seal(apiKey, masterKey, `${fleet}/backend/${id}`)
    return { ...rest, credential: { sealed, fingerprint: fingerprint(apiKey, masterKey) } }
  }
}

function wrongField(path: string, message: string): Refused {
  return refused('validation_failed', 'the spec is not valid', [{ path, message }])
}
