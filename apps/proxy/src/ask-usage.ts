// What a stream cost is asked for where its client did not, and kept from that client.
import { type IncomingHttpHeaders } from 'node:http'
import { type Dialect, dialectNamed, type Operation, type UsageSieve } from '@signalbox/dialects'
import { type Tokens } from '@signalbox/model'
import type { Dispatcher } from 'undici'
import { type Edit, memberFirst } from './body-splice.ts'
import { isReadableStream } from './headers.ts'
import { type Live } from './live-backend.ts'
import { type Asked, type Passage } from './passage.ts'

const OPTIONS_BYTES_MAX = 4_096
const ASKED = '{"include_usage":true}'

/** How one attempt asks for its usage. */
export interface AskedUsage {
  readonly edit: Edit
  into(relay: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler
}

/** Undefined where the client asks itself, or nobody may. */
export function usageAskedOf(
  passage: Passage,
  { route, scan, body, live }: Asked & { readonly live: Live },
): AskedUsage | undefined {
  const { ask } = route.policy.tokens
  const { usageSieve }: Operation = passage.operation
  if (!usageSieve || !scan.stream || ask === 'never') return undefined
  if (ask === 'auto' && !live.traits.takesStreamOptions) return undefined
  const edit = editOf(body, scan)
  if (!edit) return undefined
  const counted = (tokens: Tokens) => void (passage.tokens = tokens)
  const dialect = dialectNamed(passage.operation.dialect)
  const taking = () => ({ sieve: usageSieve(), counted, dialect })
  return { edit, into: (relay) => new UsageTaken(relay, taking()) }
}

function editOf(body: Buffer, { streamOptions }: Asked['scan']): Edit | undefined {
  if (!streamOptions) return memberFirst(body, 'stream_options', { include_usage: true })
  const { start, end } = streamOptions
  if (end - start > OPTIONS_BYTES_MAX) return undefined
  const options = parsed(body.toString('utf8', start, end))
  if (options === null) return { start, end, text: ASKED }
  if (typeof options !== 'object' || Array.isArray(options)) return undefined
  const asks = (options as { include_usage?: unknown }).include_usage
  if (asks !== undefined && asks !== null && asks !== false) return undefined
  return { start, end, text: JSON.stringify({ ...options, include_usage: true }) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Taking {
  readonly sieve: UsageSieve
  readonly counted: (tokens: Tokens) => void
  readonly dialect: Dialect
}

/** Stands between the connection and the relay; what is no stream passes as it is. */
class UsageTaken implements Dispatcher.DispatchHandler {
  readonly #relay: Dispatcher.DispatchHandler
  readonly #sieve: UsageSieve
  readonly #counted: (tokens: Tokens) => void
  readonly #dialect: Dialect
  #sifts = false

  constructor(relay: Dispatcher.DispatchHandler, { sieve, counted, dialect }: Taking) {
    this.#relay = relay
    this.#sieve = sieve
    this.#counted = counted
    this.#dialect = dialect
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#relay.onRequestStart?.(controller, context)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#sifts = isReadableStream(status, headers, this.#dialect)
    this.#relay.onResponseStart?.(controller, status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const out = this.#sifts ? this.#sieve.read(chunk) : chunk
    if (out.length > 0) this.#relay.onResponseData?.(controller, out)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    const rest = this.#sieve.end()
    if (rest.length > 0) this.#relay.onResponseData?.(controller, rest)
    if (this.#sieve.tokens) this.#counted(this.#sieve.tokens)
    this.#relay.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#sieve.tokens) this.#counted(this.#sieve.tokens)
    this.#relay.onResponseError?.(controller, error)
  }
}
