import { randomUUID } from 'node:crypto'
import { type Connection } from './connection.ts'
import { EXIT, Failure, type Problem } from './failure.ts'

const PREFIX = '/admin/v1'
const SOURCE = 'cli'
/** Above the longest `wait` that the server takes (60 s). */
const ANSWER_MS_MAX = 90_000
const REFUSED_FROM = 400
const FAILED_FROM = 500

type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface Write {
  readonly query?: Query
  readonly body?: unknown
  readonly reason: string
  readonly source?: 'cli' | 'import'
}

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export interface ClientOptions {
  readonly connection: Connection
  readonly signal: AbortSignal
}

interface Sent {
  readonly query?: Query | undefined
  readonly init?: RequestInit
}

/** The admin API over HTTP. What it refuses becomes a Failure, with what it said of it. */
export class AdminClient {
  readonly connection: Connection
  readonly #signal: AbortSignal

  constructor({ connection, signal }: ClientOptions) {
    this.connection = connection
    this.#signal = signal
  }

  async get<Body>(path: string, query?: Query): Promise<Body> {
    return this.#parsed((await this.text(path, query)).text) as Body
  }

  /** A question that needs a body; nothing is written. */
  async ask<Body>(path: string, body: unknown): Promise<Body> {
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, signal: this.#limit(), body: JSON.stringify(body) }
    return this.#parsed((await this.#answered(await this.#send(path, { init }))).text) as Body
  }

  /** The answer as it came. */
  async text(path: string, query?: Query): Promise<Answered> {
    return this.#answered(await this.#send(path, { query, init: { signal: this.#limit() } }))
  }

  /** The body as it comes; for what is long or does not end. */
  async stream(path: string): Promise<Response> {
    const response = await this.#send(path, { init: { signal: this.#signal } })
    if (response.status >= REFUSED_FROM) await this.#answered(response)
    return response
  }

  /** A path of the server itself, whatever its status: /readyz. */
  async raw(path: string): Promise<Answered> {
    const response = await this.#fetch(`${this.connection.url}${path}`, { signal: this.#limit() })
    const { status, headers } = response
    return { status, headers, text: await this.#bodyOf(response) }
  }

  async write<Body>(method: string, path: string, write: Write): Promise<Body> {
    return this.#parsed((await this.send(method, path, write)).text) as Body
  }

  /** A write whose answer is lost is sent once more; its key keeps it one write. */
  async send(method: string, path: string, write: Write): Promise<Answered> {
    const { query, body, reason, source = SOURCE } = write
    const headers = {
      'x-signalbox-source': source,
      // Percent-encoded: a header holds no more than Latin-1.
      'x-reason': encodeURIComponent(reason),
      'idempotency-key': randomUUID(),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const once = async () => {
      const init = {
        ...{ method, headers, signal: this.#limit() },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }
      return this.#answered(await this.#send(path, { query, init }))
    }
    return once().catch((error: unknown) => {
      if (error instanceof Lost) return once()
      throw error
    })
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch {
      const detail = `${this.connection.url} does not answer as a Signalbox admin API does`
      const remedy = 'Check --url and SIGNALBOX_URL.'
      throw new Failure({ exitCode: EXIT.unreachable, code: 'unreachable', detail, remedy })
    }
  }

  #limit(): AbortSignal {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(ANSWER_MS_MAX)])
  }

  #send(path: string, { query = {}, init = {} }: Sent): Promise<Response> {
    const url = new URL(`${this.connection.url}${PREFIX}/${path}`)
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const { token } = this.connection
    const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
    const headers = { ...(init.headers as Record<string, string>), ...authorization }
    // A token goes to nobody but the server that was named.
    return this.#fetch(url.href, { ...init, headers, redirect: 'manual' })
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init)
    } catch (error) {
      throw this.#lost(error)
    }
  }

  async #bodyOf(response: Response): Promise<string> {
    try {
      return await response.text()
    } catch (error) {
      throw this.#lost(error)
    }
  }

  async #answered(response: Response): Promise<Answered> {
    const { status, headers } = response
    const text = await this.#bodyOf(response)
    if (response.ok) return { status, headers, text }
    throw failureOf(status, text)
  }

  #lost(error: unknown): Error {
    if (this.#signal.aborted) return error as Error
    const cause = (error as { cause?: { code?: string; message?: string } }).cause
    const why = cause?.code ?? cause?.message ?? (error as Error).name
    return new Lost(`${this.connection.url} does not answer (${why})`, remedyFor(why))
  }
}

/** Nobody knows whether the server did what was asked. */
class Lost extends Failure {
  constructor(detail: string, remedy: string) {
    super({ exitCode: EXIT.unreachable, code: 'unreachable', detail, remedy })
  }
}

function remedyFor(why: string): string {
  if (/CERT|SIGNATURE|ALTNAME/.test(why)) {
    return 'Its certificate is not trusted here: NODE_EXTRA_CA_CERTS names a file with its CA.'
  }
  return 'Check --url and SIGNALBOX_URL, and that the admin API runs.'
}

interface ProblemDocument {
  readonly code?: string
  readonly detail?: string
  readonly remedy?: string
  readonly errors?: readonly Problem[]
}

/** The problem document of a refusal; another server's answer only gives its status. */
function failureOf(status: number, text: string): Failure {
  const exitCode = status >= FAILED_FROM ? EXIT.unreachable : EXIT.refused
  const { code = `http_${status}`, detail, remedy, errors } = problemIn(text)
  if (detail === undefined) {
    const other = `the server answered ${status}, and not as a Signalbox admin API does`
    return new Failure({ exitCode, code, detail: other, remedy: 'Check --url and SIGNALBOX_URL.' })
  }
  const more = { ...(remedy ? { remedy } : {}), ...(errors ? { errors } : {}) }
  return new Failure({ exitCode, code, detail, ...more })
}

function problemIn(text: string): ProblemDocument {
  try {
    return (JSON.parse(text) ?? {}) as ProblemDocument
  } catch {
    return {}
  }
}
