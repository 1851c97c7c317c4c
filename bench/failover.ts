import { startMockBackend } from '@signalbox/testing'
import { Pool } from 'undici'
import { type Figure, quantile } from './figure.ts'
import { chatBody, freePort, makeDataDir, type Product, startProduct } from './product.ts'

const REQUESTS = 500
const WARM_UP = 50
const MORE_MS_MOST = 2
/** Every request fails over: no breaker, no budget that runs out. */
const POLICY = { breaker: { enabled: false }, retry: { budgetPercent: 100 } }
const ROUTES = ['straight', 'over'] as const
type Route = (typeof ROUTES)[number]

/** What it costs a request that its first backend refuses the connection. */
export async function failover(say: (line: string) => void): Promise<readonly Figure[]> {
  const dataDir = makeDataDir()
  const backend = await startMockBackend({ models: ['m'], record: false })
  const product = await startProduct(dataDir.path)
  try {
    await configure(product, backend.url)
    const times: Record<string, number[]> = {}
    for (const stream of [false, true]) {
      say(`${REQUESTS} ${stream ? 'streams' : 'plain requests'} each way, in turns`)
      Object.assign(times, await measure(product, stream))
    }
    return figuresOf(times)
  } finally {
    await product.stop()
    await backend.stop()
    dataDir.remove()
  }
}

async function configure(product: Product, url: string): Promise<void> {
  const own = { kind: 'openai-compatible', models: [], prewarm: false, health: { enabled: false } }
  await put(product, 'policies/failover', POLICY)
  await put(product, 'backends/answers', { ...own, url })
  await put(product, 'backends/refuses', { ...own, url: `http://127.0.0.1:${await freePort()}` })
  const tier = (backend: string) => ({ targets: [{ backend, model: 'm' }] })
  const tiers = { straight: [tier('answers')], over: [tier('refuses'), tier('answers')] }
  for (const id of ROUTES)
    await put(product, `routes/${id}`, { policy: 'failover', tiers: tiers[id] })
  const served = async () => (await ask(new Pool(product.proxyUrl), 'over', false)) !== undefined
  while (!(await served())) await new Promise((resolve) => setTimeout(resolve, 10))
}

export async function put(product: Product, path: string, spec: object): Promise<void> {
  const answer = await product.admin('PUT', path, { spec })
  if (!answer.ok) throw new Error(`${path} was refused: ${await answer.text()}`)
}

/** In turns: whatever else the machine does, it does to both. */
async function measure(product: Product, stream: boolean): Promise<Record<string, number[]>> {
  const pool = new Pool(product.proxyUrl, { connections: 1, pipelining: 1 })
  const times: Record<string, number[]> = {}
  for (let n = -WARM_UP; n < REQUESTS; n++) {
    for (const route of ROUTES) {
      const ms = await ask(pool, route, stream)
      if (ms === undefined) throw new Error(`a request by ${route} was not answered`)
      if (n >= 0) (times[`${route} ${stream}`] ??= []).push(ms)
    }
  }
  await pool.close()
  return times
}

/** Milliseconds to the first byte of the body; undefined where it is none of an answer. */
async function ask(pool: Pool, model: Route, stream: boolean): Promise<number | undefined> {
  const headers = { 'content-type': 'application/json' }
  const body = chatBody(stream, model)
  const startMs = performance.now()
  const path = '/v1/chat/completions'
  const answer = await pool.request({ method: 'POST', path, headers, body })
  let ms: number | undefined
  for await (const _ of answer.body) ms ??= performance.now() - startMs
  return answer.statusCode === 200 ? ms : undefined
}

function figuresOf(times: Readonly<Record<string, readonly number[]>>): readonly Figure[] {
  const at = (route: Route, stream: boolean, q: number) =>
    quantile(times[`${route} ${stream}`] ?? [], q)
  const figure = (name: string, value: number, most?: number): Figure => {
    const promised = most === undefined ? {} : { most }
    return { name, value, unit: 'ms', better: 'less', ...promised }
  }
  const more = (stream: boolean) => at('over', stream, 0.5) - at('straight', stream, 0.5)
  return [
    figure('a refused connection adds, plain, median', more(false), MORE_MS_MOST),
    figure('a refused connection adds, stream, median', more(true), MORE_MS_MOST),
    figure('first byte of a stream through a failover, median', at('over', true, 0.5)),
    figure('first byte of a stream through a failover, p99', at('over', true, 0.99)),
    figure('first byte of a stream without one, median', at('straight', true, 0.5)),
    figure('first byte of a stream without one, p99', at('straight', true, 0.99)),
  ]
}
