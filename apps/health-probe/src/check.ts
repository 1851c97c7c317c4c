import { type KindTraits, kindTraits, upstreamOrigin, upstreamPath } from '@signalbox/dialects'
import { ADDRESS_REFUSED, type AddressGate, type MasterKeys } from '@signalbox/host'
import { openGate, openSealed } from '@signalbox/host'
import { type BackendSpec, isAllowedAddress } from '@signalbox/model'
import { type NetworkSpec, type Resource } from '@signalbox/model'
import { type CompiledCredential, type ProbeResult } from '@signalbox/routing'
import { Client } from 'undici'

/** What one look at a backend found. Never throws, never holds a body. */
export interface Checked {
  readonly result: ProbeResult
  /** Safe short text; null after a pass. */
  readonly error: string | null
  /** Null where nothing was sent. */
  readonly latencyMs: number | null
  /** Models that the backend lists; null where they were not asked for or not readable. */
  readonly models: readonly string[] | null
}

export interface Checker {
  check(): Promise<Checked>
  close(): Promise<void>
}

/** A list of models may have thousands of names; more than this is not one. */
const BODY_BYTES_MAX = 4_194_304
/** Without the credential a request could succeed only by accident: none is sent. */
const LOCKED: Checked = {
  result: 'unable',
  error: 'credential does not open with the master key of this probe',
  latencyMs: null,
  models: null,
}
const REFUSED_ADDRESS = 'no address of it is one that settings.network.allow lets through'
const SHUT_OUT: Checked = { ...LOCKED, result: 'fail', error: REFUSED_ADDRESS }
const CONNECT_CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host not reachable',
  UND_ERR_SOCKET: 'connection closed',
  [ADDRESS_REFUSED]: REFUSED_ADDRESS,
}

export interface CheckerOptions extends MasterKeys {
  readonly backend: Resource<'backend'>
  /** Null: it has none. Undefined: the secret that it refers to is missing. */
  readonly credential: CompiledCredential | null | undefined
  readonly fleet: string
  /** Which addresses it may have. */
  readonly network: NetworkSpec
  readonly monotonicMs: () => number
}

/** Looks at one backend by requests that cost no tokens. Holds one connection to it. */
export function createChecker(options: CheckerOptions): Checker {
  const { backend, monotonicMs, network } = options
  const { spec } = backend
  const traits = kindTraits(spec.kind)
  const may = (address: string) => isAllowedAddress(address, network)
  const gate = openGate(new URL(spec.url).hostname, may)
  const client = openClient(spec, gate)
  const headers = headersFor(options, traits)
  const healthPath = spec.health.path ?? traits.healthPath

  return {
    check: async () => {
      if (gate.refusal) return SHUT_OUT
      if (!headers) return LOCKED
      const look = (path: string) =>
        ask(client, { path: upstreamPath(spec.url, path), headers, spec })
      const startMs = monotonicMs()
      const health = await look(healthPath)
      const latencyMs = monotonicMs() - startMs
      const { result, error } = judge(health, spec)
      if (result !== 'pass' || spec.models !== 'discover') {
        return { result, error, latencyMs, models: null }
      }
      const list = healthPath === traits.discoveryPath ? health : await look(traits.discoveryPath)
      return { result, error, latencyMs, models: readModels(list, traits) }
    },
    close: () => client.destroy(),
  }
}

function openClient(spec: BackendSpec, { lookup }: AddressGate): Client {
  const { verify, caPem, serverName } = spec.tls
  return new Client(upstreamOrigin(spec.url), {
    pipelining: 1,
    allowH2: false,
    connect: {
      timeout: spec.health.timeoutMs,
      lookup,
      rejectUnauthorized: verify,
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    },
  })
}

/** Undefined: the backend has a credential that is missing or does not open. */
function headersFor(
  options: CheckerOptions,
  traits: KindTraits,
): Record<string, string> | undefined {
  const { credential, fleet } = options
  if (credential === undefined) return undefined
  const opened =
    credential && openSealed(credential.sealed, options, `${fleet}/${credential.place}`)
  if (opened && !opened.ok) return undefined
  const own = opened ? traits.credentialHeaders(opened.text) : []
  return Object.fromEntries([['accept', 'application/json'], ...traits.fixedHeaders, ...own])
}

type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  | { readonly kind: 'failed'; readonly error: string }

interface Asked {
  readonly path: string
  readonly headers: Record<string, string>
  readonly spec: BackendSpec
}

async function ask(client: Client, { path, headers, spec }: Asked): Promise<Answer> {
  const { timeoutMs } = spec.health
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const answer = await client.request({ method: 'GET', path, headers, signal })
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > BODY_BYTES_MAX) return { kind: 'failed', error: 'answer is too large' }
      parts.push(part)
    }
    return { kind: 'answered', status: answer.statusCode, body: Buffer.concat(parts).toString() }
  } catch (error) {
    return { kind: 'failed', error: reasonOf(error, timeoutMs) }
  }
}

function reasonOf(error: unknown, timeoutMs: number): string {
  const { code = '', name = '' } = error as { code?: unknown; name?: string }
  if (name === 'TimeoutError' || /TIMEOUT/.test(String(code))) return `no answer in ${timeoutMs} ms`
  return CONNECT_CODES[String(code)] ?? `connection failed (${String(code) || name})`
}

/**
 * A backend that answers is alive, whatever it thinks of the path: many servers that speak OpenAI's
 * API lack a health path (404, 405) or limit its use (429). A refused credential is not alive: no
 * request could succeed.
 */
function judge(answer: Answer, { health }: BackendSpec): Pick<Checked, 'result' | 'error'> {
  if (answer.kind === 'failed') return { result: 'fail', error: answer.error }
  const { status } = answer
  if (status === 503) return { result: 'warming-up', error: 'answered 503' }
  if (status === 401 || status === 403) {
    return { result: 'fail', error: `credential refused (answered ${status})` }
  }
  const lacksPath = health.path === undefined && (status === 404 || status === 405)
  if (status < 300 || lacksPath || status === 429) return { result: 'pass', error: null }
  return { result: 'fail', error: `answered ${status}` }
}

function readModels(answer: Answer, { dialect }: KindTraits): readonly string[] | null {
  if (answer.kind === 'failed' || answer.status >= 300) return null
  try {
    return dialect.readModels(JSON.parse(answer.body)) ?? null
  } catch {
    return null
  }
}
