import { type MockBackend, seededRandom, startMockBackend } from '@signalbox/testing'
import { Pool } from 'undici'
import { put } from './failover.ts'
import { type Figure, type Sizes } from './figure.ts'
import { chatBody, makeDataDir, type Product, startProduct } from './product.ts'

/*
 * The product for as long as one likes, with all that it meets in a day: plain answers and streams
 * from a backend that is well, clients that leave within an answer, and a backend that fails in one
 * way after another. What is well must be answered well, what fails must end somehow, and after it
 * the proxy must be what it was: memory is a line without a slope, sockets and timers are as many.
 */
const LANES = { plain: 4, stream: 4, leaves: 2, faults: 2 } as const
type Lane = keyof typeof LANES
const FAULT_MS = 500
const SAMPLE_MS = 1_000
const PAUSE_MS = 2
/** Longer than idle connections are kept. */
const SETTLE_MS = 12_000
const ANSWER_MS_MAX = 30_000
const MS_PER_MINUTE = 60_000
const MB = 1e6
/** Of the samples, how many come before memory has found its level. */
const WARM_UP_SHARE = 0.4
const DONE = 'data: [DONE]\n\n'

interface Sample {
  readonly atMs: number
  readonly rssBytes: number
  readonly descriptors: number
  readonly resources: number
}

/** `minutes` of mixed load, and whether anything grows. */
export async function soak(say: (line: string) => void, sizes: Sizes): Promise<readonly Figure[]> {
  const dataDir = makeDataDir()
  const well = await startMockBackend({ models: ['m'], record: false })
  const ill = await startMockBackend({ models: ['m'], record: false })
  const product = await startProduct(dataDir.path)
  try {
    await configure(product, well.url, ill.url)
    return await run({ product, ill, say, minutes: sizes.minutes })
  } finally {
    await product.stop()
    await Promise.all([well.stop(), ill.stop()])
    dataDir.remove()
  }
}

async function configure(product: Product, well: string, ill: string): Promise<void> {
  const own = { kind: 'openai-compatible', models: [], health: { enabled: false } }
  await put(product, 'backends/well', { ...own, url: well })
  await put(product, 'backends/ill', { ...own, url: ill })
  // Otherwise the faults would be met by few: the breaker does its work.
  const timeouts = { firstByteMs: 200, idleMs: 200 }
  await put(product, 'policies/ill', { breaker: { enabled: false }, timeouts })
  const to = (backend: string) => ({ tiers: [{ targets: [{ backend, model: 'm' }] }] })
  await put(product, 'routes/well', to('well'))
  await put(product, 'routes/ill', { ...to('ill'), policy: 'ill' })
}

interface Soaking {
  readonly product: Product
  readonly ill: MockBackend
  readonly say: (line: string) => void
  readonly minutes: number
}

async function run({ product, ill, say, minutes }: Soaking): Promise<readonly Figure[]> {
  const counts: Record<Lane, number> = { plain: 0, stream: 0, leaves: 0, faults: 0 }
  const problems = new Map<string, number>()
  const pool = new Pool(product.proxyUrl, { connections: 64, pipelining: 1 })
  const endMs = performance.now() + minutes * MS_PER_MINUTE
  const goesOn = () => performance.now() < endMs
  const lane = async (kind: Lane) => {
    while (goesOn()) {
      const problem = await ask(pool, kind).catch((error: unknown) => String(error))
      counts[kind] += 1
      if (problem) problems.set(problem, (problems.get(problem) ?? 0) + 1)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
  say(`${minutes} minutes of load`)
  const before = await sampleOf(product)
  const lanes = Object.entries(LANES).flatMap(([kind, many]) =>
    Array.from({ length: many }, () => lane(kind as Lane)),
  )
  const samples: Sample[] = []
  const sampling = sampleWhile(product, goesOn, samples)
  await Promise.all([...lanes, sampling, failWhile(ill, goesOn)])
  await pool.close()
  say('quiet, until idle connections are gone')
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const after = await sampleOf(product)
  for (const [why, times] of problems) say(`failed: ${why}, ${times} times`)
  const failed = [...problems.values()].reduce((sum, times) => sum + times, 0)
  return figuresOf({ counts, failed, samples, before, after })
}

/** Undefined where the answer is what it should be. */
async function ask(pool: Pool, kind: Lane): Promise<string | undefined> {
  const stream = kind === 'stream' || kind === 'leaves'
  const leaving = new AbortController()
  const late = setTimeout(() => leaving.abort(new Error('no end')), ANSWER_MS_MAX)
  try {
    const { statusCode, body } = await pool.request({
      ...{ method: 'POST', path: '/v1/chat/completions', signal: leaving.signal },
      headers: { 'content-type': 'application/json' },
      body: chatBody(stream, kind === 'faults' ? 'ill' : 'well'),
    })
    if (kind === 'leaves') return void (await leave(body))
    // Whatever it is, it has an end: `late` is a problem even here.
    const text = await body.text()
    if (kind === 'faults') return undefined
    if (statusCode !== 200) return `${kind}: status ${statusCode}`
    const whole = stream ? text.endsWith(DONE) : text.includes('"finish_reason":"stop"')
    return whole ? undefined : `${kind}: not whole`
  } catch (error) {
    if (leaving.signal.aborted) return `${kind}: no end`
    return kind === 'faults' ? undefined : `${kind}: ${String(error)}`
  } finally {
    clearTimeout(late)
  }
}

/** After the first piece. */
async function leave(body: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of body) return
}

/** One fault after the other, by a seed. */
async function failWhile(ill: MockBackend, goesOn: () => boolean): Promise<void> {
  const random = seededRandom(1)
  const faults: readonly (() => unknown)[] = [
    () => ill.refuse(),
    () => ill.reset(),
    () => ill.hang(),
    () => ill.cutAfter(2),
    () => ill.cutAfter(2, { how: 'silence' }),
    () => ill.misframe(10),
    () => ill.misframe(-10),
    () => ill.garble(),
    () => ill.failWith(429, { headers: { 'retry-after': '1' } }),
    () => ill.failWith(500),
  ]
  while (goesOn()) {
    await faults[Math.floor(random() * faults.length)]?.()
    await new Promise((resolve) => setTimeout(resolve, FAULT_MS))
    ill.heal()
    await ill.accept()
  }
}

async function sampleWhile(
  product: Product,
  goesOn: () => boolean,
  samples: Sample[],
): Promise<void> {
  while (goesOn()) {
    samples.push(await sampleOf(product))
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
  }
}

async function sampleOf({ metric }: Product): Promise<Sample> {
  return {
    atMs: performance.now(),
    rssBytes: await metric('process_resident_memory_bytes'),
    descriptors: await metric('process_open_fds'),
    resources: await metric('nodejs_active_resources_total'),
  }
}

interface Soaked {
  readonly counts: Readonly<Record<Lane, number>>
  readonly failed: number
  readonly samples: readonly Sample[]
  readonly before: Sample
  readonly after: Sample
}

function figuresOf({ counts, failed, samples, before, after }: Soaked): readonly Figure[] {
  const settled = samples.slice(Math.floor(samples.length * WARM_UP_SHARE))
  const count = (name: string, value: number, more: Partial<Figure> = {}): Figure => {
    return { name, value, unit: '', better: 'less', ...more }
  }
  const served = (kind: Lane): Figure => {
    return { name: `served: ${kind}`, value: counts[kind], unit: 'requests', better: 'more' }
  }
  return [
    { name: 'failed requests', value: failed, unit: 'requests', better: 'less', most: 0 },
    ...(Object.keys(LANES) as Lane[]).map(served),
    { name: 'RSS at the end', value: after.rssBytes / MB, unit: 'MB', better: 'less' },
    count('RSS grows, MB a minute', (slopeOf(settled) * MS_PER_MINUTE) / MB),
    count('descriptors more than at the start', after.descriptors - before.descriptors),
    count('sockets and timers more than at the start', after.resources - before.resources),
  ]
}

/** Bytes a millisecond, by least squares. */
export function slopeOf(samples: readonly Pick<Sample, 'atMs' | 'rssBytes'>[]): number {
  const mean = (of: (one: Pick<Sample, 'atMs' | 'rssBytes'>) => number) =>
    samples.reduce((sum, one) => sum + of(one), 0) / samples.length
  const [at, rss] = [mean(({ atMs }) => atMs), mean(({ rssBytes }) => rssBytes)]
  const over = samples.reduce((sum, one) => sum + (one.atMs - at) * (one.rssBytes - rss), 0)
  return over / samples.reduce((sum, { atMs }) => sum + (atMs - at) ** 2, 0)
}
