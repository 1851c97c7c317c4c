// Whatever is sent to the admin API: an error is a problem document with a code that is known, is
// never our own fault, and has written nothing.
import { startAdminApi } from '@signalbox/admin-api'
import { createHub } from '@signalbox/bus'
import { createMetrics, type Log, OPEN_METRICS, silentLog, systemClock } from '@signalbox/host'
import { CODES } from '@signalbox/model'
import { openStore, type Store } from '@signalbox/store'
import { freshDatabase, seededRandom, seedsOf } from '@signalbox/testing'
import { endpoints, type Heard, sendWrong, type Wrong, wrongRequest } from './api-fuzz-harness.ts'

const REQUESTS = 2_000
const RUN_MS = 300_000
const TOKEN = 'fuzz-token-7Yq2mVbX'
const SPEC = { kind: 'vllm', url: 'http://127.0.0.1:8000', models: ['m1'] }

interface Served {
  readonly store: Store
  readonly port: number
  readonly errors: readonly string[]
}

let served: Served
let ends: (() => Promise<unknown>)[]
beforeEach(async () => {
  ends = []
  const database = await freshDatabase()
  ends.unshift(database.drop)
  const errors: string[] = []
  const log: Log = {
    ...silentLog,
    error: (fields: object, message: string) =>
      void errors.push(JSON.stringify({ ...fields, message })),
  }
  const shared = { clock: systemClock, random: Math.random, log }
  const store = await openStore({ url: database.url, fleet: 'default', ...shared })
  ends.unshift(store.close)
  const bus = createHub({ clock: systemClock }).connect()
  ends.unshift(() => bus.close())
  const api = await startAdminApi(
    {
      fleet: 'default',
      tokens: { admin: TOKEN },
      masterKey: new Uint8Array(32).fill(7),
      listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      metricsAccess: OPEN_METRICS,
      usageRetentionDays: 30,
    },
    { store, bus, metrics: createMetrics(), ...shared },
  )
  ends.unshift(api.stop)
  if (api.address.kind !== 'tcp') throw new Error('no port')
  served = { store, port: api.address.port, errors }
})
afterEach(async () => {
  for (const end of ends) await end()
})

/** What is wrong with an answer, or nothing. */
function problemOf(
  { status, type, text }: Heard,
  { complete, head, reaches }: Wrong,
): string | null {
  if (status === 0) return complete ? 'no answer' : null
  if (status < 400 || head.startsWith('HEAD ')) return status === 500 ? 'our own fault' : null
  if (!type.startsWith('application/problem+json')) return `an error as ${type}`
  let said
  try {
    said = JSON.parse(text)
  } catch {
    return 'not one JSON document'
  }
  const { code, requestId } = said
  const known: { status: number; plane: string } | undefined = CODES[code as keyof typeof CODES]
  if (known?.plane !== 'admin') return `the code ${code}`
  if (code === 'internal_error') return 'our own fault'
  if (reaches && !reaches.codes.includes(code)) return `${code}, which the document does not name`
  if (known.status !== status || said.status !== status) return `${code} with status ${status}`
  return typeof requestId === 'string' && requestId !== '' ? null : 'no request id'
}

async function call(method: string, path: string, body?: object) {
  return fetch(`http://127.0.0.1:${served.port}/admin/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
}

it.each(seedsOf(1))(
  `of ${REQUESTS} wrong requests none is our fault, and no error has written (seed %d)`,
  async (seed) => {
    const { store, port, errors } = served
    expect((await call('POST', 'backends', { id: 'b1', spec: SPEC })).status).toBe(201)
    const random = seededRandom(seed)
    const problems: unknown[] = []
    const statuses = new Map<number, number>()
    let before = (await store.head()).revision
    for (let index = 0; index < REQUESTS; index++) {
      const endpoint = endpoints[index % endpoints.length] ?? endpoints[0]
      if (!endpoint) throw new Error('no endpoints')
      const wrong = wrongRequest(endpoint, TOKEN, random)
      const heard = await sendWrong(port, wrong)
      const { revision } = await store.head()
      const wrote = revision !== before && (heard.status < 200 || heard.status >= 400)
      const problem = wrote ? `wrote revision ${revision}` : problemOf(heard, wrong)
      before = revision
      statuses.set(heard.status, (statuses.get(heard.status) ?? 0) + 1)
      if (problem) {
        const head = wrong.head.slice(0, 500)
        const body = wrong.body.subarray(0, 300).toString('latin1')
        problems.push({ index, problem, how: wrong.how, heard, head, body })
      }
    }
    expect(problems.slice(0, 5)).toEqual([])
    expect(errors).toEqual([])
    // Every kind of refusal came up, and some got through.
    for (const status of [200, 400, 404, 405, 413, 415, 422, 431]) {
      expect([status, statuses.has(status)]).toEqual([status, true])
    }

    // The server is as it was: it reads, writes, and its log is whole.
    expect((await call('GET', 'backends')).status).toBe(200)
    expect((await call('PUT', 'backends/after', { spec: SPEC })).status).toBe(201)
    const verified = await call('GET', 'audit/verify')
    expect(await verified.json()).toMatchObject({ ok: true, revision: before + 1 })
  },
  RUN_MS,
)
