import { loadavg } from 'node:os'
import { findMigrations, migrate, startEmbeddedPostgres } from '@signalbox/store'
import { seededRandom } from '@signalbox/testing'
import { backendGiven, backendId, fillLog, keyId, openLog, runRevisions } from './control-log.ts'
import { type ControlPlane, startBroker, startControlPlane } from './control-plane.ts'
import { type Figure, less, quantile, type Sizes } from './figure.ts'
import { freePort, makeDataDir } from './product.ts'

const WRITES = 300
const PAGES = 200
const PAGE = 100
/** A change after so many pages: what is listed is then the past. */
const PAGES_A_CHANGE = 10
const READS = 100
const DEEP_READS = 10
/** By then the log has some thousand resources. */
const EARLY_REVISION = 10
const APPLIED = 5_000
const CLIENTS = 8
/** Commits of many clients: so many for each revision of the run that looks for gaps. */
const COMMITS_A_REVISION = 0.3
const SETTLE_MS = 60_000
const SNAPSHOT_MS = 180_000
const PULSE_MS = 10
/** So many that one seldom comes twice in a row: that would be no change. */
const WEIGHTS = 1_000
const MB = 1e6
const FLEET = 'default'

type Say = (line: string) => void

/** What the admin API promises of a log of a hundred thousand backends and a million keys. */
export async function control(say: Say, sizes: Sizes): Promise<readonly Figure[]> {
  const dataDir = makeDataDir()
  const password = 'bench-only'
  const postgres = await startEmbeddedPostgres({ dataDir: dataDir.path, password })
  const broker = await startBroker()
  try {
    if (!broker.there) say('nats-server is not on PATH: nothing will be published')
    await migrate(postgres.url, findMigrations(import.meta.url))
    say(`filling the log: ${sizes.backends} backends, ${sizes.keys} keys`)
    const filled = await fill(postgres.url, sizes)
    say(`starting the admin API (load ${loadavg()[0]?.toFixed(2)})`)
    const backing = { databaseUrl: postgres.url, busUrl: broker.url, port: await freePort() }
    const plane = await startControlPlane(backing)
    let figures: readonly Figure[]
    try {
      figures = await measure(plane, sizes, say)
    } finally {
      await plane.stop()
    }
    return [...filled, ...figures, ...(await revisionsOf(postgres.url, sizes, say))]
  } finally {
    await broker.stop()
    await postgres.stop()
    dataDir.remove()
  }
}

/** The log alone: whether it ever has a gap or a fork, however many write and roll back. */
export async function revisions(say: Say, sizes: Sizes): Promise<readonly Figure[]> {
  const dataDir = makeDataDir()
  const postgres = await startEmbeddedPostgres({ dataDir: dataDir.path, password: 'bench-only' })
  try {
    await migrate(postgres.url, findMigrations(import.meta.url))
    return await revisionsOf(postgres.url, sizes, say)
  } finally {
    await postgres.stop()
    dataDir.remove()
  }
}

async function fill(url: string, sizes: Sizes): Promise<readonly Figure[]> {
  const store = await openLog(url, FLEET)
  const startMs = performance.now()
  const count = await fillLog(store, sizes)
  const seconds = (performance.now() - startMs) / 1_000
  await store.close()
  return [
    { name: 'resources in the log', value: count, unit: '', better: 'more' },
    { name: 'filling the log', value: count / seconds, unit: 'resources/s', better: 'more' },
  ]
}

async function measure(plane: ControlPlane, sizes: Sizes, say: Say): Promise<readonly Figure[]> {
  const stalls = watchPulse(plane)
  try {
    return await measureAll(plane, { sizes, say, stalls })
  } finally {
    await stalls.stop()
  }
}

interface Measuring {
  readonly sizes: Sizes
  readonly say: Say
  readonly stalls: Pulse
}

async function measureAll(
  plane: ControlPlane,
  { sizes, say, stalls }: Measuring,
): Promise<readonly Figure[]> {
  const random = seededRandom(1)
  const first = await plane.call('PUT', 'backends/first', { spec: backendGiven(0) })
  const figures: Figure[] = [
    { ...less('start until ready', plane.readyMs / 1_000, 's'), most: 10 },
    less('first write', first.ms, 'ms'),
  ]
  say('until the bus has it all')
  figures.push(await settled(plane))
  figures.push(less('longest stall until then', stalls.longest(), 'ms'))
  say(`${WRITES} writes, one after another`)
  figures.push(...times('single write', await write(plane, sizes, random), 50))
  say(`${PAGES} pages, with changes in between`)
  figures.push(...times('list page', await list(plane, random), 50))
  say(`${READS} reads of the past, and what else asks for much`)
  figures.push(...times('as-of read', await readPast(plane, sizes, random), 500))
  say('reads as of the middle of the log')
  figures.push(...times('deep as-of read', await readDeep(plane, sizes, random), 500))
  figures.push(...(await askMuch(plane, say)))
  say(`an apply of ${Math.min(APPLIED, sizes.backends)} resources`)
  stalls.forget()
  figures.push({ ...less('apply', (await apply(plane, sizes)) / 1_000, 's'), most: 10 })
  figures.push({ ...less('longest stall in it', stalls.longest(), 'ms'), most: 200 })
  say('until there is a snapshot of it all')
  figures.push(less('first snapshot, waited for', await snapshotMade(plane), 's'))
  say(`${CLIENTS} clients that change something all the time`)
  figures.push(...(await commitAll(plane, sizes, random)))
  await settled(plane)
  const cpu = await plane.metric('process_cpu_seconds_total')
  return [
    ...figures,
    { ...less('longest stall of all', stalls.longestOfAll(), 'ms'), most: 200 },
    { ...less('RSS, most', plane.rssBytesMost() / MB, 'MB'), most: 1_000 },
    less('CPU of the admin API', cpu, 's'),
  ]
}

function times(name: string, ms: readonly number[], p99Most: number): readonly Figure[] {
  return [
    less(`${name}, p50`, quantile(ms, 0.5), 'ms'),
    { ...less(`${name}, p99`, quantile(ms, 0.99), 'ms'), most: p99Most },
  ]
}

/** Seconds until the publisher lags no more; NaN where that did not come in time. */
async function settled(plane: ControlPlane): Promise<Figure> {
  const startMs = performance.now()
  let lag = NaN
  while (lag !== 0 && performance.now() - startMs < SETTLE_MS) {
    lag = await plane.metric('signalbox_publisher_lag_revisions')
    await new Promise((resolve) => setTimeout(resolve, PULSE_MS))
  }
  const seconds = (performance.now() - startMs) / 1_000
  return less('until the bus has it', lag === 0 ? seconds : NaN, 's')
}

/** Seconds until the first snapshot is there: it is made once, of all, beside what else is asked. */
async function snapshotMade(plane: ControlPlane): Promise<number> {
  const startMs = performance.now()
  while ((await plane.metric('signalbox_snapshot_revision')) === 0) {
    if (performance.now() - startMs > SNAPSHOT_MS) return NaN
    await new Promise((resolve) => setTimeout(resolve, PULSE_MS))
  }
  return (performance.now() - startMs) / 1_000
}

type Pulse = ReturnType<typeof watchPulse>

/** As a client sees it: how long the process did not answer its simplest question. */
function watchPulse(plane: ControlPlane) {
  let longest = 0
  let before = 0
  let running = true
  const look = async () => {
    while (running) {
      longest = Math.max(longest, await plane.pulse())
      await new Promise((resolve) => setTimeout(resolve, PULSE_MS))
    }
  }
  const looking = look()
  return {
    longest: () => longest,
    longestOfAll: () => Math.max(longest, before),
    forget: () => {
      before = Math.max(longest, before)
      longest = 0
    },
    stop: async () => {
      running = false
      await looking
    },
  }
}

function below(random: () => number, count: number): number {
  return Math.floor(random() * count)
}

async function write(
  plane: ControlPlane,
  sizes: Sizes,
  random: () => number,
): Promise<readonly number[]> {
  const all: number[] = []
  for (let nth = 0; nth < WRITES; nth++) {
    const kind = nth % 3
    const { ms } =
      kind === 0
        ? await plane.call('POST', 'keys', { id: `new-${nth}`, spec: { owner: 'bench' } })
        : kind === 1
          ? await change(plane, below(random, sizes.backends), 1 + (nth % 9))
          : await plane.call('PUT', `routes/new-${nth}`, {
              spec: {
                tiers: [{ targets: [{ backend: backendId(below(random, sizes.backends)) }] }],
              },
            })
    all.push(ms)
  }
  return all
}

function change(plane: ControlPlane, nth: number, weight: number) {
  return plane.call('PATCH', `backends/${backendId(nth)}`, { spec: { weight } })
}

/** Walks of keys and of backends; every one of the pages after the first change is of the past. */
async function list(plane: ControlPlane, random: () => number): Promise<readonly number[]> {
  const all: number[] = []
  for (const path of ['keys?', 'backends?', 'backends?label=zone:z1&', 'backends?kind=vllm&']) {
    let cursor = ''
    for (let nth = 0; nth < PAGES / 4; nth++) {
      const { ms, text } = await plane.call('GET', `${path}limit=${PAGE}${cursor}`)
      all.push(ms)
      const { nextCursor } = JSON.parse(text) as { nextCursor: string | null }
      cursor = nextCursor === null ? '' : `&cursor=${nextCursor}`
      if (nth % PAGES_A_CHANGE === 0) await change(plane, 0, 1 + below(random, WEIGHTS))
    }
  }
  return all
}

async function readPast(
  plane: ControlPlane,
  sizes: Sizes,
  random: () => number,
): Promise<readonly number[]> {
  const { headers } = await plane.call('GET', 'keys?limit=1')
  const head = Number(headers['x-signalbox-revision'])
  const all: number[] = []
  for (let nth = 0; nth < READS; nth++) {
    const past = head - below(random, Math.min(WRITES, head - 1))
    const one = nth % 2 === 0 ? keyId(below(random, sizes.keys)) : backendId(0)
    const path = nth % 2 === 0 ? `keys/${one}` : `backends/${one}`
    all.push((await plane.call('GET', `${path}?asOf=${past}`)).ms)
    all.push((await plane.call('GET', `keys?asOf=${past}&limit=${PAGE}`)).ms)
  }
  return all
}

/** As of the middle of the log, far from what the present state helps with. */
async function readDeep(
  plane: ControlPlane,
  sizes: Sizes,
  random: () => number,
): Promise<readonly number[]> {
  const { headers } = await plane.call('GET', 'keys?limit=1')
  const middle = Math.ceil(Number(headers['x-signalbox-revision']) / 2)
  const all: number[] = []
  for (let nth = 0; nth < DEEP_READS; nth++) {
    for (const path of ['keys', 'backends', 'backends?label=zone:z1&']) {
      const more = path.includes('?') ? path : `${path}?`
      all.push((await plane.call('GET', `${more}asOf=${middle}&limit=${PAGE}`)).ms)
    }
    // Backends are the first in the log: by the middle these are there.
    const known = `backends/${backendId(below(random, Math.ceil(sizes.backends / 10)))}`
    all.push((await plane.call('GET', `${known}?asOf=${middle}`)).ms)
  }
  return all
}

/** Each once: what answers with much, or looks at much. */
async function askMuch(plane: ControlPlane, say: Say): Promise<readonly Figure[]> {
  const { headers } = await plane.call('GET', 'keys?limit=1')
  const head = Number(headers['x-signalbox-revision'])
  const early = Math.min(EARLY_REVISION, head)
  const asked = [
    ['diff over 100 revisions', 'GET', `diff?from=${Math.max(0, head - 100)}`, undefined],
    ['configuration as of an early revision', 'GET', `config?asOf=${early}`, undefined],
    ['search in the ids of keys', 'GET', 'keys?q=99&limit=100', undefined],
    ['search that finds nothing', 'GET', 'keys?q=nowhere&limit=100', undefined],
    ['fleet', 'GET', 'fleet', undefined],
    ['status', 'GET', 'status', undefined],
    ['explain', 'POST', 'explain', { model: 'r-1' }],
    ['plan', 'POST', 'plan', { operations: [{ op: 'delete', resource: 'route', id: 'r-1' }] }],
    ['page of the history', 'GET', 'revisions?limit=100', undefined],
  ] as const
  const figures: Figure[] = []
  for (const [name, method, path, body] of asked) {
    const ms = await plane.call(method, path, body).then(
      (answer) => answer.ms,
      (error: unknown) => {
        say(`not measured: ${String(error)}`)
        return NaN
      },
    )
    figures.push(less(name, ms, 'ms'))
  }
  return figures
}

/** Half of it changes what is there, half is new. */
async function apply(plane: ControlPlane, { backends }: Sizes): Promise<number> {
  const count = Math.min(APPLIED, backends)
  const half = Math.floor(count / 2)
  const specs = Array.from({ length: count }, (_, nth) =>
    nth < half
      ? [backendId(nth), { ...backendGiven(nth), weight: 7 }]
      : [`applied-${nth}`, backendGiven(nth)],
  )
  return (await plane.call('PUT', 'config', { backends: Object.fromEntries(specs) })).ms
}

async function commitAll(
  plane: ControlPlane,
  { revisions }: Sizes,
  random: () => number,
): Promise<readonly Figure[]> {
  const all: number[] = []
  let left = Math.ceil(revisions * COMMITS_A_REVISION)
  const startMs = performance.now()
  const client = async (nth: number) => {
    while (left-- > 0) all.push((await change(plane, nth, 1 + below(random, WEIGHTS))).ms)
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, nth) => client(nth)))
  const rate = all.length / ((performance.now() - startMs) / 1_000)
  return [
    { name: 'commits, 8 clients', value: rate, unit: 'commits/s', better: 'more', least: 300 },
    less('write of 8 clients, p99', quantile(all, 0.99), 'ms'),
  ]
}

async function revisionsOf(
  url: string,
  { revisions }: Sizes,
  say: Say,
): Promise<readonly Figure[]> {
  say(`${revisions} revisions, a third of the transactions rolled back`)
  const run = await runRevisions(url, revisions)
  for (const problem of run.problems) say(`broken: ${problem}`)
  const rate = run.committed / run.seconds
  return [
    { name: 'revisions beside it', value: run.committed, unit: '', better: 'more' },
    { name: 'rolled back', value: run.rolledBack, unit: '', better: 'more' },
    { name: 'revisions a second', value: rate, unit: 'commits/s', better: 'more' },
    { ...less('gaps and forks', run.problems.length, ''), most: 0 },
  ]
}
