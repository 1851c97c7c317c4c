import { createHash } from 'node:crypto'
import { sha256, silentLog, systemClock } from '@signalbox/host'
import {
  ChainCheck,
  type Draft,
  type Intent,
  ok,
  parseSpec,
  type ResourceName,
  type Spec,
} from '@signalbox/model'
import { openStore, type Store, type WriteRequest } from '@signalbox/store'
import { seededRandom } from '@signalbox/testing'

/** Resources a revision: as many as its compressed body may hold, and some room. */
const PER_REVISION = 4_000
export const ROUTES = 200
const MODELS = 500
const STORES = 2
const WRITERS = 8
/** Of the transactions of the revision run, so many are rolled back. */
const ROLLED_BACK = 1 / 3
/** Of these, so many by an error: the connection goes with it. */
const BY_ERROR = 0.05

const INTENT: Intent = {
  actor: { id: 'bench', role: 'admin' },
  source: 'system',
  reason: null,
  requestId: 'bench',
  changeRef: null,
  address: null,
}

export function openLog(url: string, fleet: string): Promise<Store> {
  return openStore({ url, fleet, clock: systemClock, log: silentLog })
}

export function backendId(nth: number): string {
  return `b-${String(nth).padStart(6, '0')}`
}

export function keyId(nth: number): string {
  return `k-${String(nth).padStart(7, '0')}`
}

/** The spec of the nth backend as somebody would send it. */
export function backendGiven(nth: number) {
  const host = `10.${(nth >> 16) & 255}.${(nth >> 8) & 255}.${nth & 255}`
  const labels = { zone: `z${nth % 3}`, gpu: nth % 5 === 0 ? 'h100' : 'a100' }
  return { kind: 'vllm', url: `http://${host}:8000`, models: [`m-${nth % MODELS}`], labels }
}

function keyGiven(nth: number) {
  const hash = createHash('sha256').update(`bench ${nth}`).digest('hex')
  return { name: `client ${nth}`, owner: `team-${nth % 1_000}`, hash }
}

function routeGiven(nth: number, backends: number) {
  const targets = Array.from({ length: 8 }, (_, index) => ({
    backend: backendId((nth * 8 + index) % backends),
    model: `m-${nth % MODELS}`,
  }))
  return { tiers: [{ targets }] }
}

/** Fills an empty log through the store, a revision for every few thousand; answers how many. */
export async function fillLog(
  store: Store,
  { backends, keys }: { readonly backends: number; readonly keys: number },
): Promise<number> {
  await createAll(store, backends, (nth) => draft('backend', backendId(nth), backendGiven(nth)))
  const routes = Math.min(ROUTES, backends)
  await createAll(store, routes, (nth) => draft('route', `r-${nth}`, routeGiven(nth, backends)))
  await createAll(store, keys, (nth) => draft('key', keyId(nth), keyGiven(nth)))
  return backends + routes + keys
}

async function createAll(
  store: Store,
  count: number,
  draftOf: (nth: number) => Draft,
): Promise<void> {
  for (let first = 0; first < count; first += PER_REVISION) {
    const length = Math.min(PER_REVISION, count - first)
    const drafts = Array.from({ length }, (_, index) => draftOf(first + index))
    await commit(store, drafts)
  }
}

function draft(resource: ResourceName, id: string, given: unknown): Draft {
  const spec = parseSpec(resource, given)
  if (!spec.ok) throw new Error(`${resource} ${id}: ${JSON.stringify(spec.error)}`)
  return { type: `${resource}.created`, resource, id, version: 1, spec: spec.value as Spec }
}

async function commit(store: Store, drafts: readonly Draft[]): Promise<number> {
  const outcome = await store.write(requestOf(drafts, { dryRun: false }))
  if (outcome.kind !== 'committed') throw new Error(`a write was ${outcome.kind}`)
  return outcome.revision
}

function requestOf(
  drafts: readonly Draft[],
  { dryRun, fails = false }: { readonly dryRun: boolean; readonly fails?: boolean },
): WriteRequest {
  return {
    intent: INTENT,
    idempotency: null,
    dryRun,
    decide: () => ok(drafts),
    present: () => {
      if (fails) throw new RolledBack()
      return { status: 200, headers: {}, body: '' }
    },
  }
}

class RolledBack extends Error {
  override readonly name = 'RolledBack'
}

export interface RevisionRun {
  readonly committed: number
  readonly rolledBack: number
  readonly seconds: number
  /** What the chain and its index say against the log, and acknowledgements that do not fit. */
  readonly problems: readonly string[]
}

/**
 * Writers on several stores append until the log has so many revisions, while a third of all
 * transactions is rolled back when all but COMMIT is done. Then the whole log is read.
 */
export async function runRevisions(url: string, revisions: number): Promise<RevisionRun> {
  const opening = Array.from({ length: STORES }, () => openLog(url, 'revisions'))
  const stores = await Promise.all(opening)
  const acknowledged: number[] = []
  let rolledBack = 0
  let begun = 0
  const startMs = performance.now()
  const writer = async (nth: number) => {
    const store = stores[nth % STORES]
    const random = seededRandom(nth)
    while (store && begun < revisions) {
      const id = backendId(Math.floor(random() * 1_000))
      const drafts = [draft('backend', id, backendGiven(Math.floor(random() * 1e6)))]
      if (random() < ROLLED_BACK) {
        await rollBack(store, drafts, random() < BY_ERROR)
        rolledBack++
      } else {
        begun++
        acknowledged.push(await commit(store, drafts))
      }
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, nth) => writer(nth)))
  const seconds = (performance.now() - startMs) / 1_000
  const [store] = stores
  const problems = store ? await problemsOf(store, acknowledged) : []
  await Promise.all(stores.map((one) => one.close()))
  return { committed: acknowledged.length, rolledBack, seconds, problems }
}

async function rollBack(store: Store, drafts: readonly Draft[], byError: boolean): Promise<void> {
  const request = requestOf(drafts, { dryRun: !byError, fails: byError })
  try {
    await store.write(request)
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error
  }
}

async function problemsOf(
  store: Store,
  acknowledged: readonly number[],
): Promise<readonly string[]> {
  const chain = new ChainCheck(sha256)
  const derived = await store.readWhole((message) => chain.next(message))
  const { problems, revision } = chain.end()
  const told = [...problems, ...derived].map((one) => `revision ${one.revision}: ${one.message}`)
  const sorted = [...acknowledged].sort((a, b) => a - b)
  const gap = sorted.findIndex((number, index) => number !== index + 1)
  if (gap >= 0) told.push(`${sorted[gap]} was acknowledged where ${gap + 1} follows`)
  if (revision !== sorted.length) told.push(`the log has ${revision}, told ${sorted.length}`)
  return told
}
