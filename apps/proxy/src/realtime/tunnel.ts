import { type IncomingMessage, request as httpRequest } from 'node:http'
import { type Duplex } from 'node:stream'
import { upstreamOrigin } from '@signalbox/dialects'
import { type Clock } from '@signalbox/host'
import { type Failure } from '@signalbox/model'
import { NOT_CONNECTED, upstreamFailure } from '../failures.ts'
import { type Live } from '../live-backend.ts'

/** Of an answer that refuses the upgrade, what is passed on. */
const REFUSAL_BYTES_MAX = 65_536

export type Opened =
  | {
      readonly kind: 'open'
      readonly answer: IncomingMessage
      readonly socket: Duplex
      readonly head: Buffer
    }
  | { readonly kind: 'refused'; readonly answer: IncomingMessage; readonly body: Buffer }
  | { readonly kind: 'failed'; readonly failure: Failure }

export interface Opening {
  readonly path: string
  readonly headers: readonly string[]
  readonly clock: Clock
  readonly withinMs: number
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal
}

/** Asks a backend for a WebSocket, on a connection of its own. */
export function openUpstream(
  { backend: { spec }, upstream: { gate } }: Live,
  { path, headers, clock, withinMs, signal }: Opening,
): Promise<Opened> {
  const failed = (error: Error): Opened => ({
    kind: 'failed',
    failure: upstreamFailure(error, { started: false, begun: false }),
  })
  if (gate.refusal) return Promise.resolve(failed(gate.refusal))
  return new Promise((resolve) => {
    const { verify, caPem, serverName } = spec.tls
    // Loaded when the first one is opened: most proxies never open one.
    const send = spec.url.startsWith('https:')
      ? process.getBuiltinModule('node:https').request
      : httpRequest
    const asked = send(`${upstreamOrigin(spec.url)}${path}`, {
      headers: headers as string[],
      agent: false,
      signal,
      lookup: gate.lookup,
      rejectUnauthorized: verify,
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    })
    const cancel = clock.after(withinMs, () => settle({ kind: 'failed', failure: NOT_CONNECTED }))
    const settle = (opened: Opened) => {
      cancel()
      if (opened.kind === 'failed') asked.destroy()
      resolve(opened)
    }
    asked.on('upgrade', (answer, socket, head) => settle({ kind: 'open', answer, socket, head }))
    asked.on('response', (answer) => void refusal(answer).then(settle))
    asked.on('error', (error) => settle(failed(error)))
    asked.end()
  })
}

async function refusal(answer: IncomingMessage): Promise<Opened> {
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > REFUSAL_BYTES_MAX) break
      parts.push(part)
    }
  } catch {
    // What came of it is what the client gets.
  }
  return { kind: 'refused', answer, body: Buffer.concat(parts) }
}

/**
 * Passes bytes both ways until either side ends; `ended` is told how many went to the client. Who
 * reads slowly slows the other side down, since a pipe waits for its drain. Frames are not read.
 */
export function joinSockets(
  client: Duplex,
  upstream: Duplex,
  ended: (bytes: number) => void,
): void {
  let bytes = 0
  let open = true
  const end = () => {
    if (!open) return
    open = false
    client.destroy()
    upstream.destroy()
    ended(bytes)
  }
  upstream.on('data', (chunk: Buffer) => (bytes += chunk.length))
  upstream.pipe(client)
  client.pipe(upstream)
  for (const side of [client, upstream]) {
    side.on('error', end)
    side.on('close', end)
  }
  // It may have left before anybody listened.
  if (client.destroyed || upstream.destroyed) end()
}
