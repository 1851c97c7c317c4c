// Many writers, two stores, one log: what is refused, rolled back or cut leaves no trace, and what
// was acknowledged is there once, in order, without a gap. The seed gives each writer its plan; how
// they meet is up to the machine.
import { sha256, systemClock } from '@signalbox/host'
import { ChainCheck, collection, err, ok, refuse, snapshotFrom } from '@signalbox/model'
import { eventually, seededRandom, seedsOf } from '@signalbox/testing'
import pg from 'pg'
import { bodyOf } from './rows.ts'
import { DatabaseUnavailable, type Store, type WriteOutcome, type WriteRequest } from './store.ts'
import { createHarness, draftOf, intent } from './test-harness.ts'

const WRITERS = 8
const WRITES_EACH = 400
const IDS = 12
const RUN_MS = 300_000

const harness = createHarness()
let killer: pg.Client
let kills: Promise<unknown>[]
beforeEach(async () => {
  kills = []
  killer = new pg.Client(harness.url())
  killer.on('error', () => {})
  await killer.connect()
})
afterEach(async () => {
  await Promise.allSettled(kills)
  await killer.end()
})

const HOLDERS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'signalbox'
    AND xact_start IS NOT NULL`

/** A kill is asked for when it is decided, or when all but COMMIT is done. */
type Fate = 'commit' | 'refuse' | 'dry run' | 'kill early' | 'kill late'

interface Plan {
  readonly tag: string
  readonly fate: Fate
  readonly drafts: readonly { readonly id: string; readonly url: string | null }[]
}

interface Attempt {
  readonly plan: Plan
  /** `unknown`: the connection was lost, at whatever point. */
  readonly outcome: WriteOutcome | 'unknown'
}

const FATES: readonly (readonly [number, Fate])[] = [
  [0.15, 'refuse'],
  [0.28, 'dry run'],
  [0.29, 'kill early'],
  [0.3, 'kill late'],
]

function planOf(random: () => number, tag: string): Plan {
  const roll = random()
  const fate = FATES.find(([below]) => roll < below)?.[1] ?? 'commit'
  const first = Math.floor(random() * IDS)
  const drafts = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) => ({
    id: `b${(first + index) % IDS}`,
    url: random() < 0.25 ? null : `http://${tag}`,
  }))
  return { tag, fate, drafts }
}

/** Everything fails inside the transaction, where the lock is held: never before it has begun. */
function requestOf({ tag, fate, drafts }: Plan): WriteRequest {
  return {
    intent: { ...intent, requestId: tag },
    idempotency: null,
    dryRun: fate === 'dry run',
    decide: (snapshot) => {
      if (fate === 'refuse') return err(refuse('validation_failed', 'not this one'))
      if (fate === 'kill early') kills.push(killer.query(HOLDERS))
      return ok(
        drafts.map(({ id, url }) =>
          draftOf(snapshot, id, snapshot.backends.has(id) ? url : `http://${tag}`),
        ),
      )
    },
    present: (committed) => {
      if (fate === 'kill late') kills.push(killer.query(HOLDERS))
      return { status: 200, headers: {}, body: String(committed?.body.requestId) }
    },
  }
}

async function attempt(store: Store, plan: Plan): Promise<Attempt> {
  try {
    return { plan, outcome: await store.write(requestOf(plan)) }
  } catch (error) {
    if (error instanceof DatabaseUnavailable) return { plan, outcome: 'unknown' }
    throw error
  }
}

async function writeAll(stores: readonly Store[], seed: number): Promise<readonly Attempt[]> {
  const writers = Array.from({ length: WRITERS }, async (_, index) => {
    const random = seededRandom(seed * 1_000 + index)
    const store = stores[index % stores.length] as Store
    const attempts: Attempt[] = []
    for (let turn = 0; turn < WRITES_EACH; turn++) {
      attempts.push(await attempt(store, planOf(random, `w${index}-${turn}`)))
    }
    return attempts
  })
  const settled = await Promise.allSettled(writers)
  return settled.flatMap((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

/** Which revisions each attempt made, as the log's bytes say it. */
async function revisionsByTag(store: Store): Promise<ReadonlyMap<string, readonly number[]>> {
  const made = new Map<string, number[]>()
  const chain = new ChainCheck(sha256)
  const derived = await store.readWhole((message) => {
    const { requestId } = bodyOf(message)
    made.set(requestId, [...(made.get(requestId) ?? []), message.revision])
    return chain.next(message)
  })
  const report = chain.end()
  expect([report.problems, derived]).toEqual([[], []])
  expect(report.revision).toBe((await store.head()).revision)
  return made
}

const INDEX_OF_EVENTS = `SELECT count(*)::int AS count, min(position)::int AS first,
  max(position)::int AS last, count(DISTINCT position)::int AS distinct,
  (SELECT position::int FROM log_head) AS head FROM event`
/** Rows of the state that the index of events does not give, and the other way round. */
const DIFFERENT = `WITH folded AS (
    SELECT DISTINCT ON (resource, id) resource, id, version, revision, spec
    FROM event ORDER BY resource, id, version DESC),
  alive AS (SELECT * FROM folded WHERE spec IS NOT NULL),
  state AS (SELECT resource, id, version, revision, spec FROM resource)
  (TABLE alive EXCEPT TABLE state) UNION ALL (TABLE state EXCEPT TABLE alive)`
/** Versions of a resource are 1, 2, 3 in the order of positions, over deletes as well. */
const UNORDERED = `SELECT resource, id FROM (
    SELECT resource, id, version, row_number()
      OVER (PARTITION BY resource, id ORDER BY position) AS nth FROM event) AS numbered
  WHERE version <> nth`

/** Whether each attempt left what its outcome says, and those that left nothing were refused. */
function checkAttempts(
  attempts: readonly Attempt[],
  made: ReadonlyMap<string, readonly number[]>,
): void {
  const wrong = attempts.filter(({ plan, outcome }) => {
    const revisions = made.get(plan.tag) ?? []
    if (plan.fate === 'refuse' || plan.fate === 'dry run') return revisions.length > 0
    if (outcome === 'unknown') return revisions.length > 1
    if (outcome.kind !== 'committed') return revisions.length > 0
    return revisions.join() !== String(outcome.revision) || outcome.answer.body !== plan.tag
  })
  expect(wrong).toEqual([])
  const known = new Set(attempts.map(({ plan }) => plan.tag))
  expect([...made.keys()].filter((tag) => !known.has(tag))).toEqual([])
}

const kindOf = ({ outcome }: Attempt) => (outcome === 'unknown' ? outcome : outcome.kind)

/** What the store would decide on: what it holds, and has asked for, under the lock. */
async function decidedOn(store: Store) {
  let seen: unknown
  await store.write({
    ...requestOf({ tag: 'look', fate: 'dry run', drafts: [] }),
    decide: (snapshot) => {
      seen = snapshotFrom(snapshot.head, (name) => new Map(collection(snapshot, name)))
      return ok([])
    },
  })
  return seen
}

it.each(seedsOf(1))(
  'eight writers, of whose writes a third leaves nothing, make one log without gap or fork (seed %d)',
  async (seed) => {
    const heard = await harness.listen()
    const stores = [
      await harness.open({ clock: systemClock }),
      // Of this one the backends are too many to be held.
      await harness.open({ clock: systemClock, heldMax: IDS / 4 }),
    ] as const
    const attempts = await writeAll(stores, seed)
    await Promise.all(kills)

    const [one, other] = stores
    const { revision } = await one.head()
    const made = await revisionsByTag(one)
    checkAttempts(attempts, made)
    const kinds = Map.groupBy(attempts, kindOf)
    // It did what it is about: every fate came up, and most of the rest was committed.
    for (const kind of ['committed', 'refused', 'unchanged', 'unknown'] as const) {
      expect([kind, (kinds.get(kind)?.length ?? 0) > 20]).toEqual([kind, true])
    }
    expect(revision).toBeGreaterThan((WRITERS * WRITES_EACH) / 2)

    const [index] = await harness.sql(INDEX_OF_EVENTS)
    const { count } = index
    expect(index).toEqual({ count, first: 1, last: count, distinct: count, head: count })
    expect(await harness.sql(DIFFERENT)).toEqual([])
    expect(await harness.sql(UNORDERED)).toEqual([])
    expect(await other.snapshot()).toEqual(await one.snapshot())
    for (const store of stores) expect(await decidedOn(store)).toEqual(await one.snapshot())

    // Whoever listens is told of each commit, in order, and of nothing else.
    await eventually(() => heard.length >= revision)
    expect(heard).toEqual(Array.from({ length: revision }, (_, at) => `default:${at + 1}`))
  },
  RUN_MS,
)
