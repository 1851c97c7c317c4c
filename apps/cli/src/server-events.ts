import { setTimeout as delay } from 'node:timers/promises'
import { type AdminClient } from './client.ts'
import { EXIT, Failure } from './failure.ts'

const RECONNECT_MS = 1_000
/** So often in a row; then the server is gone. */
const RECONNECTS_MAX = 60
/** A message is a member or a status; more is no stream of ours. */
const MESSAGE_LENGTH_MAX = 1_048_576

export interface ServerEvent {
  readonly event: string
  readonly data: unknown
}

export interface Following {
  readonly signal: AbortSignal
  /** The stream broke off and is asked for again. */
  readonly onLost: () => void
}

/** GET /events, again and again when it breaks off. Ends with the signal, by throwing. */
export async function* follow(
  client: AdminClient,
  { signal, onLost }: Following,
): AsyncGenerator<ServerEvent> {
  let opened = false
  for (let failures = 0; ; failures++) {
    try {
      const { body } = await client.stream('events')
      opened = true
      for await (const event of readEvents(body ?? [])) {
        failures = 0
        yield event
      }
    } catch (error) {
      const refused = error instanceof Failure && error.facts.exitCode === EXIT.refused
      if (signal.aborted || !opened || refused || failures >= RECONNECTS_MAX) throw error
    }
    onLost()
    await delay(RECONNECT_MS, undefined, { signal })
  }
}

/** The messages of a text/event-stream; comments and unfinished ones are none. */
export async function* readEvents(
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of parts) {
    const messages = `${rest}${decoder.decode(part, { stream: true })}`.split(/\r?\n\r?\n/)
    rest = messages.pop() ?? ''
    if (rest.length > MESSAGE_LENGTH_MAX) throw new TypeError('a message without an end')
    for (const message of messages) {
      const event = parseMessage(message)
      if (event) yield event
    }
  }
}

function parseMessage(message: string): ServerEvent | undefined {
  const field = (name: string) =>
    message
      .split(/\r?\n/)
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trimStart())
  const [event] = field('event')
  const data = field('data')
  if (event === undefined || data.length === 0) return undefined
  try {
    return { event, data: JSON.parse(data.join('\n')) }
  } catch {
    return undefined
  }
}
