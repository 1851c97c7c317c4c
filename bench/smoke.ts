import { Pool } from 'undici'
import { type Figure, quantile } from './figure.ts'
import { type LoadCount, startLoad } from './load.ts'
import { makeDataDir, type Product, startProduct } from './product.ts'

const STARTS = 5
const CHANGES = 200
const CONNECTIONS = 16
const STREAM_EVERY = 4
const IDLE_MS = 3_000
const LOAD_MS = 5_000
const PAUSE_MS = 20
const MB = 1e6
const US_PER_S = 1e6
const ROUTE = 'bench'

/** The figures that the product promises at its smallest: it starts, applies, and drops nothing. */
export async function smoke(say: (line: string) => void): Promise<readonly Figure[]> {
  const dataDir = makeDataDir()
  try {
    say('the first start, on an empty data directory')
    const first = await startProduct(dataDir.path)
    await first.stop()
    say(`${STARTS} more starts`)
    const startsMs: number[] = []
    for (let nth = 1; nth < STARTS; nth++) {
      const product = await startProduct(dataDir.path)
      startsMs.push(product.firstAnswerMs)
      await product.stop()
    }
    const product = await startProduct(dataDir.path)
    startsMs.push(product.firstAnswerMs)
    try {
      const figures = await measure(product, say)
      return [
        { ...seconds('first start to first answer', first.firstAnswerMs), most: 5 },
        { ...seconds('start to first answer, median', quantile(startsMs, 0.5)), most: 5 },
        ...figures,
      ]
    } finally {
      await product.stop()
    }
  } finally {
    dataDir.remove()
  }
}

function seconds(name: string, ms: number): Figure {
  return { name, value: ms / 1_000, unit: 's', better: 'less' }
}

async function measure(product: Product, say: (line: string) => void): Promise<readonly Figure[]> {
  say('an idle proxy')
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  const idleBytes = await product.metric('process_resident_memory_bytes')
  say(`${CHANGES} changes, no load`)
  const quiet = await change(product)

  say(`${CHANGES} changes, ${CONNECTIONS} connections that ask all the time`)
  const asking = { url: product.proxyUrl, connections: CONNECTIONS, model: ROUTE }
  const load = startLoad({ ...asking, streamEvery: STREAM_EVERY })
  const changing = change(product, PAUSE_MS)
  await changing.catch(() => {})
  const count = await load.stop()
  const loaded = await changing

  say(`${LOAD_MS / 1_000} s of plain requests`)
  const cpuBefore = await product.metric('process_cpu_seconds_total')
  const plain = startLoad({ ...asking, streamEvery: Infinity })
  await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
  const plainCount = await plain.stop()
  const cpuSeconds = (await product.metric('process_cpu_seconds_total')) - cpuBefore
  const failed = failuresOf(count, say) + failuresOf(plainCount, say)
  const less = { better: 'less' } as const
  const p99 = (values: readonly number[]) => quantile(values, 0.99)
  return [
    { name: 'RSS of an idle proxy', value: idleBytes / MB, unit: 'MB', most: 80, ...less },
    { name: 'commit to applied, p50', value: quantile(quiet, 0.5), unit: 'ms', ...less },
    { name: 'commit to applied, p99', value: p99(quiet), unit: 'ms', most: 100, ...less },
    { name: 'commit to applied under load, p99', value: p99(loaded), unit: 'ms', ...less },
    { name: 'failed requests', value: failed, unit: 'requests', most: 0, ...less },
    { name: 'served meanwhile', value: count.requests, unit: 'requests', better: 'more' },
    { name: 'rate, 16 connections', value: rateOf(plainCount), unit: 'requests/s', better: 'more' },
    { name: 'latency, p99', value: p99(plainCount.latenciesMs), unit: 'ms', ...less },
    {
      name: 'CPU of the proxy a request',
      value: (cpuSeconds / plainCount.requests) * US_PER_S,
      unit: 'µs',
      ...less,
    },
  ]
}

function rateOf({ requests, seconds }: LoadCount): number {
  return requests / seconds
}

function failuresOf({ failures }: LoadCount, say: (line: string) => void): number {
  for (const [why, times] of failures) say(`failed: ${why}, ${times} times`)
  return [...failures.values()].reduce((sum, times) => sum + times, 0)
}

/**
 * Changes a route that clients use, again and again. Answers for each change the time from its
 * commit's answer until the proxy serves that revision, as a client sees it: the polling is in it.
 */
async function change(product: Product, pauseMs = 0): Promise<readonly number[]> {
  const poll = new Pool(product.proxyUrl, { connections: 1, pipelining: 1 })
  const times: number[] = []
  try {
    for (let nth = 0; nth < CHANGES; nth++) {
      const model = nth % 2 === 0 ? 'demo-small' : 'demo-large'
      const targets = [{ backend: 'demo', model, weight: 1 + (nth % 7) }]
      const answer = await product.admin('PUT', `routes/${ROUTE}`, {
        spec: { tiers: [{ targets }] },
      })
      const committedMs = performance.now()
      const text = await answer.text()
      if (!answer.ok) throw new Error(`a change was refused: ${text}`)
      const revision = Number(answer.headers.get('x-signalbox-revision'))
      while ((await servedRevision(poll)) < revision);
      times.push(performance.now() - committedMs)
      // Else the changes themselves would take the cores from those who ask.
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  } finally {
    await poll.close()
  }
  return times
}

async function servedRevision(pool: Pool): Promise<number> {
  const { headers, body } = await pool.request({ method: 'GET', path: '/v1/models' })
  await body.dump()
  return Number(headers['x-signalbox-revision'])
}
