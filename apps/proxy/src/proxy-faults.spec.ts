// Every fault of a backend, over each transport, for plain answers and streams, alone and beside
// another backend: what the client sees, who was asked how often, and that nothing is left behind.
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { CERTIFICATE, eventually, type MockBackend, startMockBackend } from '@signalbox/testing'
import {
  type Fault,
  FAULTS,
  lineOf,
  type Seen,
  TRANSPORTS,
  type Transport,
} from './fault-matrix-harness.ts'
import { apply, base, hello, proxy, useProxy } from './proxy-harness.ts'

useProxy()

const TLS = { http: undefined, TLS: 'http/1.1', 'HTTP/2': 'h2' } as const
let bad: MockBackend
let good: MockBackend
const models = ['faulty']

async function begin(fault: Fault, transport: Transport): Promise<void> {
  const tls = TLS[transport]
  bad = await startMockBackend({ models, ...(tls ? { tls } : {}) })
  good = await startMockBackend({ models })
  const trusted = tls ? { tls: { caPem: CERTIFICATE } } : {}
  const kind = 'openai-compatible'
  await apply('backend', 'bad', { kind, url: bad.url, models: [], ...trusted, ...fault.spec })
  await apply('backend', 'good', { kind, url: good.url, models: [] })
  // The breaker has a spec of its own; who guesses tokens keeps a worker for a minute.
  const quiet = { breaker: { enabled: false }, tokens: { estimate: false } }
  const policy = { ...quiet, ...fault.policy }
  await apply('policy', 'alone', policy)
  await apply('policy', 'beside', { ...policy, retry: { on: ['connect', 429, 503] } })
  const tier = (backend: string) => ({ targets: [{ backend, model: 'faulty' }] })
  await apply('route', 'alone', { policy: 'alone', tiers: [tier('bad')] })
  await apply('route', 'beside', { policy: 'beside', tiers: [tier('bad'), tier('good')] })
}

async function end(): Promise<void> {
  for (const route of ['alone', 'beside']) await apply('route', route, null)
  for (const backend of ['bad', 'good']) await apply('backend', backend, null)
  await Promise.all([bad.stop(), good.stop()])
}

/** One request on a connection of its own, to its end, however that comes. */
function send(path: string, body?: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json' }
  const method = body ? 'POST' : 'GET'
  return new Promise((resolve, reject) => {
    const asked = request(`${base}${path}`, { method, agent: false, headers })
    asked.on('error', reject).end(body && JSON.stringify(body))
    asked.on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part) => (text += part))
      answer.on('error', () => {})
      answer.on('close', () => {
        const { statusCode: status = 0, headers, complete: whole } = answer
        resolve({ status, whole, headers, text })
      })
    })
  })
}

interface Answer extends Pick<Seen, 'status' | 'whole'> {
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

const ask = (model: string, stream: boolean) =>
  send('/v1/chat/completions', { ...hello, model, stream })

/** The code of the one error in it that is ours. */
function codeIn(text: string): string | null {
  return /"code":"((?:upstream|stream)_[a-z_]+)"/.exec(text)?.[1] ?? null
}

/** Sockets and timers that the process has open. */
function resources(): Record<string, number> {
  const kinds = process.getActiveResourcesInfo().filter((name) => /^TCP|^TLS|^Timeout/.test(name))
  const all = Object.groupBy(kinds, (name) => name)
  return Object.fromEntries(Object.entries(all).map(([name, those = []]) => [name, those.length]))
}

const backendsOf = () => [...proxy.configuration.backends()]

/** Whether nothing is under way: no request, no attempt, no connection that is not idle. */
async function expectQuiet(): Promise<void> {
  await eventually(async () => {
    expect((await send('/metrics')).text).toMatch(/^active_connections 0$/m)
    for (const { id, inFlight, upstream } of backendsOf()) {
      const { open, idle, pending } = upstream.stats()
      expect({ id, inFlight, pending, busy: open - idle }).toEqual({
        ...{ id, inFlight: 0, pending: 0, busy: 0 },
      })
    }
    return true
  })
}

/** Whether it serves as before once the fault is over, whatever its connections went through. */
async function expectWell(): Promise<void> {
  bad.heal()
  bad.setPieces(undefined)
  await bad.accept()
  for (let n = 0; n < 2; n++) {
    const { status, whole, text } = await ask('alone', false)
    expect([status, whole, JSON.parse(text)]).toMatchObject([200, true, { model: 'faulty' }])
  }
}

const cases = FAULTS.flatMap((fault) =>
  (fault.over ?? TRANSPORTS).map((transport) => [fault.name, transport, fault] as const),
)

describe('a backend with a fault', () => {
  it.each(cases)('%s, over %s', async (_name, transport, fault) => {
    const before = resources()
    await begin(fault, transport)
    for (const stream of [false, true]) {
      const told = stream ? fault.stream : fault.plain
      const second = { status: 200, code: null, whole: true, attempts: 2 }
      for (const route of ['alone', 'beside']) {
        const expected = route === 'beside' && fault.beside === 'second' ? second : told
        const askedBefore = bad.requests.length + good.requests.length
        bad.heal()
        await fault.inject(bad)
        const { headers, text, status, whole } = await ask(route, stream)
        const attempts = Number(headers['x-signalbox-attempts'])
        const seen = { status, code: codeIn(text), whole, attempts }
        expect({ route, stream, ...seen }).toEqual({ route, stream, ...expected })
        const { askedMore = 0 } = fault
        const asked = bad.requests.length + good.requests.length - askedBefore
        expect(asked).toBe(expected.attempts + askedMore)
      }
    }
    if (!fault.spec) await expectWell()
    await expectQuiet()
    await end()
    await eventually(() => {
      expect(resources()).toEqual(before)
      return true
    })
  })

  it('is told of in docs/routing.md as it is', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/routing.md'), 'utf8')
    const [, section = ''] = page.split('## What happens when\n')
    const rows = section.split('\n').filter((line) => line.startsWith('| '))
    expect(rows.slice(1)).toEqual(FAULTS.map(lineOf))
  })
})
