import { randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import {
  type Bus,
  connectNats,
  follow,
  type Following,
  manifestTrust,
  noDisk,
} from '@signalbox/bus'
import { silentLog, systemClock } from '@signalbox/host'
import { decodeManifest, type Head } from '@signalbox/model'
import { findMigrations, migrate, startEmbeddedPostgres } from '@signalbox/store'
import { backendId, fillLog, openLog } from './control-log.ts'
import { type ControlPlane, startBroker, startControlPlane } from './control-plane.ts'
import { type Figure, less, quantile, type Sizes } from './figure.ts'
import { type Proxy, startProxy } from './fleet-proxy.ts'
import { freePort, makeDataDir } from './product.ts'

const SMALL = { backends: 1_000, keys: 100 }
const FOLLOWERS = 100
const MANY = 500
const CHANGES = 200
const CHANGES_A_SECOND = 5
const WEIGHTS = 1_000
const ARRIVE_MS = 15_000
const UP_MS = 60_000
const LARGE_UP_MS = 180_000
/** For memory to settle after a start. */
const SETTLE_MS = 5_000
const MB = 1e6
const NOWHERE = 'nats://127.0.0.1:9'

type Say = (line: string) => void

interface Place {
  readonly say: Say
  readonly sizes: Sizes
  readonly busUrl: string
  readonly databaseUrl: string
  readonly dataDir: string
  readonly masterKey: Uint8Array
}

/** How fast a change reaches a fleet, what a fleet costs, and how a proxy starts. */
export async function fleet(say: Say, sizes: Sizes): Promise<readonly Figure[]> {
  const broker = await startBroker()
  if (!broker.there) throw new Error('nats-server is not on PATH (apt-get install nats-server)')
  const masterKey = randomBytes(32)
  try {
    const figures: Figure[] = []
    for (const measure of [measureSmall, measureLarge]) {
      figures.push(...(await onPostgres({ say, sizes, busUrl: broker.url, masterKey }, measure)))
    }
    return figures
  } finally {
    await broker.stop()
  }
}

/** Each on a server of its own, whose planner has seen nothing of the other's log. */
async function onPostgres(
  asked: Pick<Place, 'say' | 'sizes' | 'busUrl' | 'masterKey'>,
  measure: (place: Place) => Promise<readonly Figure[]>,
): Promise<readonly Figure[]> {
  const dataDir = makeDataDir()
  const postgres = await startEmbeddedPostgres({ dataDir: dataDir.path, password: 'bench-only' })
  try {
    await migrate(postgres.url, findMigrations(import.meta.url))
    const folder = join(dataDir.path, '..')
    return await measure({ ...asked, databaseUrl: postgres.url, dataDir: folder })
  } finally {
    await postgres.stop()
    dataDir.remove()
  }
}

function envOf({ masterKey }: Place, name: string) {
  const key = Buffer.from(masterKey).toString('base64')
  return { SIGNALBOX_FLEET: name, SIGNALBOX_MASTER_KEY: key }
}

async function filled(place: Place, name: string, sizes: typeof SMALL): Promise<ControlPlane> {
  const store = await openLog(place.databaseUrl, name)
  await fillLog(store, sizes)
  await store.close()
  const { databaseUrl, busUrl } = place
  const port = await freePort()
  return startControlPlane({ databaseUrl, busUrl, port, env: envOf(place, name) })
}

async function measureSmall(place: Place): Promise<readonly Figure[]> {
  const { say, sizes, busUrl, dataDir } = place
  const plane = await filled(place, 'small', SMALL)
  const at = { dataDir: join(dataDir, 'proxy'), env: envOf(place, 'small'), upMs: UP_MS }
  const proxy = await startProxy({ ...at, port: await freePort(), busUrl })
  try {
    // First: what the others change would have to be fetched by each of the many.
    say(`${MANY} followers, ${CHANGES_A_SECOND} changes a second for ${sizes.seconds} s`)
    const churned = await churn(plane, await openCrowd(place, plane, MANY), sizes.seconds)
    say(`${CHANGES} changes, ${FOLLOWERS} followers (load ${loadavg()[0]?.toFixed(2)})`)
    const few = await openCrowd(place, plane, FOLLOWERS)
    const onFollowers = await timesOf(plane, async (revision) => few.reach(revision))
    await few.close()
    say(`${CHANGES} changes, one proxy`)
    const onProxy = await timesOf(plane, (revision) => reaches(proxy, revision))
    say('a start from disk alone')
    await proxy.stop()
    const again = await startProxy({ ...at, port: await freePort(), busUrl: NOWHERE })
    await again.stop()
    return [
      less(`commit to active, ${FOLLOWERS} followers, p50`, quantile(onFollowers, 0.5), 'ms'),
      {
        ...less('commit to active, 100 followers, p99', quantile(onFollowers, 0.99), 'ms'),
        most: 100,
      },
      less('commit to active, one proxy, p50', quantile(onProxy, 0.5), 'ms'),
      { ...less('commit to active, one proxy, p99', quantile(onProxy, 0.99), 'ms'), most: 30 },
      ...churned,
      { ...less('start from disk, 1,000 backends', again.readyMs / 1_000, 's'), most: 1 },
    ]
  } finally {
    await proxy.stop()
    await plane.stop()
  }
}

/** A proxy that has nothing starts from the bus. */
async function measureLarge(place: Place): Promise<readonly Figure[]> {
  const { say, sizes, busUrl, dataDir } = place
  say(`filling a log: ${sizes.backends} backends, ${sizes.keys} keys`)
  const plane = await filled(place, 'large', sizes)
  try {
    const beganMs = performance.now()
    const revision = await revisionOf(plane)
    say('until its snapshot is on the bus')
    const chunks = await snapshotAt(place, revision)
    const snapshotS = (performance.now() - beganMs) / 1_000
    say(`a start from the bus (load ${loadavg()[0]?.toFixed(2)})`)
    const proxy = await startProxy({
      ...{ port: await freePort(), busUrl, env: envOf(place, 'large'), upMs: LARGE_UP_MS },
      dataDir: join(dataDir, 'large'),
    })
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const { now, most } = proxy.rssBytes()
    await proxy.stop()
    return [
      less('chunks of the snapshot', chunks, ''),
      less('until the bus has the snapshot', chunks > 0 ? snapshotS : NaN, 's'),
      { ...less('start from the bus until ready', proxy.readyMs / 1_000, 's'), most: 5 },
      { ...less('RSS after it', now / MB, 'MB'), most: 350 },
      less('RSS, most', most / MB, 'MB'),
    ]
  } finally {
    await plane.stop()
  }
}

async function revisionOf(plane: ControlPlane): Promise<number> {
  const { headers } = await plane.call('GET', 'keys?limit=1')
  return Number(headers['x-signalbox-revision'])
}

/** How many chunks the snapshot has that is of this revision or later; NaN: it never came. */
async function snapshotAt(place: Place, revision: number): Promise<number> {
  const bus = await dial(place, 'large')
  const endMs = performance.now() + LARGE_UP_MS
  try {
    while (performance.now() < endMs) {
      const signed = await bus.latestManifest().catch(() => null)
      const manifest = decodeManifest(signed?.text ?? '')
      if (manifest.ok && manifest.value.head.revision >= revision)
        return manifest.value.chunks.length
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return NaN
  } finally {
    await bus.close()
  }
}

function dial({ busUrl }: Place, name: string): Promise<Bus> {
  const shared = { clock: systemClock, random: Math.random, log: silentLog }
  return connectNats({ url: busUrl, fleet: name, ...shared })
}

/** Many followers in this process, each with a connection of its own. */
interface Crowd {
  /** Milliseconds of performance.now() at which each of them served a revision. */
  reach(revision: number): Promise<readonly number[]>
  heads(): readonly (Head | null)[]
  close(): Promise<void>
}

/** Settles when all of them have what the log has now: who joins catches up first. */
async function openCrowd(place: Place, plane: ControlPlane, count: number): Promise<Crowd> {
  const members = await Promise.all(
    Array.from({ length: count }, (_, nth) => joinFleet(place, nth)),
  )
  const heads = () => members.map(({ state }) => state.head)
  const now = await revisionOf(plane)
  await until(() => heads().every((head) => (head?.revision ?? 0) >= now))
  return {
    heads,
    reach: async (revision) => {
      await until(() => heads().every((head) => (head?.revision ?? 0) >= revision))
      return members.map(({ state }) => (state.head?.revision === revision ? state.atMs : NaN))
    },
    close: async () => {
      await Promise.all(members.map(({ following }) => following.stop()))
      await Promise.all(members.map(({ bus }) => bus.close()))
    },
  }
}

interface Joined {
  readonly bus: Bus
  readonly following: Following
  readonly state: { head: Head | null; atMs: number }
}

async function joinFleet(place: Place, nth: number): Promise<Joined> {
  const bus = await dial(place, 'small')
  const state: Joined['state'] = { head: null, atMs: 0 }
  const following = follow({
    ...{ bus, disk: noDisk, clock: systemClock, random: Math.random, log: silentLog },
    trusts: manifestTrust({ masterKey: place.masterKey, fleet: 'small' }),
    identity: { id: `f-${nth}`, role: 'proxy', labels: {}, version: 'bench' },
    onSnapshot: ({ head }) => {
      state.head = head
      state.atMs = performance.now()
      return []
    },
    load: () => null,
  })
  return { bus, following, state }
}

/** Of each change, how long until it was served everywhere, from when it was sent. */
async function timesOf(
  plane: ControlPlane,
  reach: (revision: number) => Promise<readonly number[]>,
): Promise<readonly number[]> {
  const all: number[] = []
  for (let nth = 0; nth < CHANGES; nth++) {
    const sentMs = performance.now()
    const revision = await change(plane, nth)
    for (const atMs of await reach(revision)) all.push(atMs - sentMs)
  }
  return all
}

async function change(plane: ControlPlane, nth: number): Promise<number> {
  // Another weight each time one comes round: else it would be no change.
  const weight = 2 + ((nth + Math.floor(nth / SMALL.backends)) % WEIGHTS)
  const id = backendId(nth % SMALL.backends)
  const { text } = await plane.call('PATCH', `backends/${id}`, { spec: { weight } })
  return Number((JSON.parse(text) as { revision: number }).revision)
}

async function reaches(proxy: Proxy, revision: number): Promise<readonly number[]> {
  const endMs = performance.now() + ARRIVE_MS
  while (performance.now() < endMs) {
    if ((await proxy.revision()) >= revision) return [performance.now()]
  }
  return [NaN]
}

async function churn(
  plane: ControlPlane,
  crowd: Crowd,
  seconds: number,
): Promise<readonly Figure[]> {
  const total = seconds * CHANGES_A_SECOND
  const startMs = performance.now()
  let warmBytes = 0
  let last = 0
  for (let nth = 0; nth < total; nth++) {
    const waitMs = startMs + (nth * 1_000) / CHANGES_A_SECOND - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    last = await change(plane, CHANGES * 2 + nth)
    if (nth === Math.floor(total / 3)) warmBytes = process.memoryUsage.rss()
  }
  const rate = total / ((performance.now() - startMs) / 1_000)
  const reached = await crowd.reach(last).catch(() => [])
  const hashes = new Set(crowd.heads().map((head) => head?.hash))
  const lost = crowd.heads().filter((head) => head?.revision !== last).length
  const grownMb = (process.memoryUsage.rss() - warmBytes) / MB
  await crowd.close()
  return [
    { name: 'changes a second with 500 followers', value: rate, unit: '', better: 'more' },
    { ...less('followers that lost something', reached.length > 0 ? lost : MANY, ''), most: 0 },
    { ...less('different ends of the log among them', hashes.size, ''), most: 1 },
    less('memory they grew by in the last two thirds', Math.max(0, grownMb), 'MB'),
  ]
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + UP_MS
  while (!holds()) {
    if (performance.now() > endMs) throw new Error('the followers did not arrive')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
