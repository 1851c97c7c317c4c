// Clients behind a balancer, as everybody has one: it asks a proxy whether it is ready, sends it one
// request, and goes to the next proxy where a connection is refused; nothing else is tried again.
import { type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { type Fleet } from './fleet.ts'
import { type Part } from './parts.ts'

const CLIENTS = 4
const PAUSE_MS = 10
const READY_MS_MAX = 1_000
/** No proxy was ready for so long, though one is always left. */
const NOBODY_MS_MAX = 120_000
/** One that the simulated backend has. */
export const MODEL = 'demo-small'
export const BODY = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }] })

interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** On a connection of its own: what a pool makes of one that broke is another question. */
export function call(
  address: string,
  path: string,
  { body, timeoutMs }: { readonly body?: string; readonly timeoutMs?: number } = {},
): Promise<Answered> {
  const [host, port] = address.split(':')
  const method = body === undefined ? 'GET' : 'POST'
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const signal = timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }
    const sent = request({ host, port, path, method, headers, agent: false, ...signal })
    sent.on('error', reject).on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('error', reject).on('end', () => {
        if (!answer.complete) return reject(new Error('the answer broke off'))
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text })
      })
    })
    sent.end(body)
  })
}

export interface Clients {
  readonly whole: () => number
  /** Requests that were under way at a proxy or a backend when that was killed. */
  readonly cut: () => number
  readonly problems: readonly string[]
  stop(): Promise<void>
}

export function startClients(fleet: Fleet): Clients {
  const proxies = fleet.of('proxy')
  const problems: string[] = []
  const newest = new Map<string, number>()
  let [whole, cut, stopped] = [0, 0, false]

  /** The next proxy that is ready. */
  const find = async (from: number): Promise<Part | undefined> => {
    const untilMs = performance.now() + NOBODY_MS_MAX
    for (let at = from; !stopped; at++) {
      const proxy = proxies[at % proxies.length]
      if (proxy && (await isReady(proxy))) return proxy
      if (performance.now() > untilMs) {
        problems.push('no proxy was ready')
        return undefined
      }
      await setTimeout(PAUSE_MS)
    }
    return undefined
  }
  const once = async (turn: number): Promise<void> => {
    const proxy = await find(turn)
    if (!proxy) return
    const before = [proxy, ...fleet.of('backend')].map((part) => ({ part, deaths: part.deaths }))
    const wasCut = () => before.some(({ part, deaths }) => part.deaths !== deaths || isOdd(deaths))
    const life = `${proxy.name} ${proxy.deaths}`
    const known = newest.get(life) ?? 0
    try {
      const answer = await call(proxy.address, '/v1/chat/completions', { body: BODY })
      if (answer.status === 200) {
        whole++
        check(life, known, answer)
      } else if (wasCut()) cut++
      else problems.push(`${proxy.name} answered ${answer.status}: ${answer.text.slice(0, 300)}`)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ECONNREFUSED') return once(turn + 1)
      if (wasCut()) cut++
      else problems.push(`${proxy.name}: ${code ?? message}`)
    }
  }
  /** While it lives, a proxy answers by nothing older than it had when it was asked. */
  const check = (life: string, known: number, { headers }: Answered) => {
    const revision = Number(headers['x-signalbox-revision'])
    if (revision < known) problems.push(`${life} went from ${known} to ${revision}`)
    newest.set(life, Math.max(newest.get(life) ?? 0, revision))
  }
  const client = async (index: number) => {
    for (let turn = index; !stopped; turn++) {
      await once(turn)
      await setTimeout(PAUSE_MS)
    }
  }
  const running = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)))
  return {
    ...{ whole: () => whole, cut: () => cut, problems },
    stop: async () => {
      stopped = true
      await running
    },
  }
}

async function isReady({ address }: Part): Promise<boolean> {
  try {
    return (await call(address, '/readyz', { timeoutMs: READY_MS_MAX })).status === 200
  } catch {
    return false
  }
}

/** It is just dying. */
function isOdd(deaths: number): boolean {
  return deaths % 2 === 1
}
