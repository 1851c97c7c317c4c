// Somebody who changes the configuration all the time, and remembers what was answered.
import { setTimeout } from 'node:timers/promises'
import { TOKEN } from '../e2e/fleet-harness.ts'
import { type Part } from './parts.ts'

const PAUSE_MS = 20
const ANSWER_MS_MAX = 15_000
const REFUSED_FROM = 400
const FAILED_FROM = 500

export interface Writer {
  /** The revision that was answered, by the reason that was given. */
  readonly written: ReadonlyMap<string, number>
  readonly problems: readonly string[]
  /** Ends it once the write that is under way was answered. */
  stop(): Promise<void>
}

export async function admin(
  { address }: Part,
  path: string,
  init: { readonly method?: string; readonly body?: unknown; readonly headers?: object } = {},
) {
  const { method = 'GET', body, headers = {} } = init
  const answer = await fetch(`http://${address}/admin/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- many shapes, compared in tests
  const json: any = text.startsWith('{') ? JSON.parse(text) : null
  return { status: answer.status, text, json }
}

/** Each write has a key: it is sent again, to the other one, until somebody answers it. */
export function startWriter(admins: readonly Part[]): Writer {
  const written = new Map<string, number>()
  const problems: string[] = []
  let stopped = false
  const write = async (count: number): Promise<void> => {
    const reason = `chaos-${count}`
    const headers = { 'idempotency-key': reason, 'x-reason': reason }
    const body = { spec: { labels: { count: String(count) } } }
    for (let turn = count; ; turn++) {
      const to = admins[turn % admins.length]
      if (!to) return
      try {
        const answer = await admin(to, 'backends/b0', { method: 'PATCH', body, headers })
        if (answer.status < REFUSED_FROM) return void written.set(reason, answer.json.revision)
        if (answer.status < FAILED_FROM) {
          return void problems.push(`${to.name} refused ${reason}: ${answer.text}`)
        }
      } catch {
        // Nobody knows whether it was written: the key says that it is the same.
      }
      await setTimeout(PAUSE_MS)
    }
  }
  const running = (async () => {
    for (let count = 1; !stopped; count++) {
      await write(count)
      await setTimeout(PAUSE_MS)
    }
  })()
  return {
    ...{ written, problems },
    stop: async () => {
      stopped = true
      await running
    },
  }
}
