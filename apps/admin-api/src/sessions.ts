import { type Clock, type MasterKeys, seal, unseal } from '@signalbox/host'

export const SESSION_COOKIE = 'signalbox-session'
export const SESSION_MS = 8 * 3_600_000
/** Cookies of other pages of this host come along; what is longer is not looked through. */
const COOKIES_LENGTH_MAX = 8_192
const DIGEST_HEX = /^[0-9a-f]{64}$/

export interface SessionsDeps {
  readonly keys: MasterKeys
  readonly fleet: string
  readonly clock: Clock
}

/** What a session is of: a token, by its digest. */
export interface Session {
  readonly digest: Uint8Array
  readonly endsMs: number
}

/*
 * A session is a sealed cookie: the digest of a token and when it ends. Nothing is kept here, so
 * that every instance on the same master key knows it, and a restart ends none. It stands for its
 * token and for no more: whoever it belongs to is looked up anew with every call, and a principal
 * that was revoked, has expired or was rotated is unknown to both.
 */
export class Sessions {
  readonly #deps: SessionsDeps
  readonly #context: string

  constructor(deps: SessionsDeps) {
    this.#deps = deps
    this.#context = `console-session/${deps.fleet}`
  }

  /** A session that begins now, and the value of its cookie. */
  begin(digest: Uint8Array): Session & { readonly value: string } {
    const endsMs = this.#deps.clock.nowMs() + SESSION_MS
    const text = `${Buffer.from(digest).toString('hex')} ${endsMs}`
    const sealed = seal(text, this.#deps.keys.masterKey, this.#context)
    return { digest, endsMs, value: Buffer.from(sealed, 'base64').toString('base64url') }
  }

  /** The session of a `cookie` header, while it lasts. */
  find(cookies: string | undefined): Session | undefined {
    const value = cookieOf(cookies)
    if (value === undefined) return undefined
    const sealed = Buffer.from(value, 'base64url').toString('base64')
    const { masterKey, previousMasterKeys = [] } = this.#deps.keys
    const texts = [masterKey, ...previousMasterKeys].map((key) =>
      unseal(sealed, key, this.#context),
    )
    const [digest = '', ends] = texts.find((text) => text !== undefined)?.split(' ') ?? []
    const endsMs = Number(ends)
    if (!DIGEST_HEX.test(digest) || !(this.#deps.clock.nowMs() < endsMs)) return undefined
    return { digest: Buffer.from(digest, 'hex'), endsMs }
  }
}

/** `secure` where the browser came by TLS. An empty value ends it. */
export function sessionCookie(value: string, secure: boolean): string {
  const age = value === '' ? 0 : SESSION_MS / 1_000
  const attributes = `Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict`
  return `${SESSION_COOKIE}=${value}; ${attributes}${secure ? '; Secure' : ''}`
}

function cookieOf(cookies: string | undefined): string | undefined {
  if (cookies === undefined || cookies.length > COOKIES_LENGTH_MAX) return undefined
  for (const one of cookies.split(';')) {
    const [name = '', value] = one.trim().split('=', 2)
    if (name === SESSION_COOKIE && value) return value
  }
  return undefined
}
