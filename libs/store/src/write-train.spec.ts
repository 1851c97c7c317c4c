import { systemClock } from '@signalbox/host'
import { type Draft, err, ok, refuse } from '@signalbox/model'
import { DatabaseUnavailable, type Store, type WriteOutcome, type WriteRequest } from './store.ts'
import { change, createHarness, draftOf, put } from './test-harness.ts'
import { openWire } from './wire-harness.ts'
import { createWriteQueue } from './write-queue.ts'
import { createWriteTrain, TOGETHER_MAX } from './write-train.ts'
import { type Settled } from './write.ts'

const harness = createHarness()

/** A first write that is under way until all of these wait, and what became of them. */
async function behind(store: Store, requests: readonly WriteRequest[]) {
  let all: Promise<readonly PromiseSettledResult<WriteOutcome>[]> | undefined
  const first = change((now) => {
    all ??= Promise.allSettled(requests.map((request) => store.write(request)))
    return [draftOf(now, 'first', 'http://first')]
  })
  await store.write(first)
  if (!all) throw new Error('nothing waited')
  return (await all).map((one) =>
    one.status === 'fulfilled' ? one.value.kind : (one.reason as Error).message,
  )
}

/** The revisions that each transaction committed, in order. */
async function transactions(): Promise<readonly string[]> {
  const rows = await harness.sql(`SELECT string_agg(revision::text, ' ' ORDER BY revision) AS revs
    FROM revision GROUP BY xmin::text ORDER BY min(revision)`)
  return rows.map(({ revs }: { revs: string }) => revs)
}

const create = (id: string): WriteRequest =>
  change((now) => {
    if (now.backends.has(id)) throw new Error(`${id} is there`)
    return [draftOf(now, id, 'http://a')]
  })

describe('writes that wait', () => {
  it('are committed together, each as a revision of its own, in order', async () => {
    const store = await harness.open({ heldMax: 2 })
    const ids = ['a', 'b', 'c', 'd', 'e']
    const outcomes = await behind(store, ids.map(create))
    expect(outcomes).toEqual(ids.map(() => 'committed'))
    expect(await transactions()).toEqual(['1', '2 3 4 5 6'])
    const made = await Promise.all(ids.map((id) => store.resource('backend', id)))
    expect(made.map((one) => one?.revision)).toEqual([2, 3, 4, 5, 6])
    expect(await store.readWhole(() => true)).toEqual([])
  })

  it('see what those before them did, also those with the same Idempotency-Key', async () => {
    const store = await harness.open()
    const keyed = { ...put('a', 'http://a'), idempotency: { key: 'k', requestHash: 'h' } }
    const twice = [keyed, keyed, put('a', 'http://b'), { ...keyed, idempotency: null }]
    expect(await behind(store, twice)).toEqual(['committed', 'replayed', 'committed', 'committed'])
    expect((await store.resource('backend', 'a'))?.version).toBe(3)
    expect(await transactions()).toEqual(['1', '2 3 4'])
  })

  it('are not held up by one that is refused, and not undone by one that fails', async () => {
    const store = await harness.open()
    const refused = { ...put('x', null), decide: () => err(refuse('not_found', 'no')) }
    expect(await behind(store, [create('a'), refused, create('b')])).toEqual([
      ...['committed', 'refused', 'committed'],
    ])
    const present = () => {
      throw new Error('its own fault')
    }
    const failing = { ...create('y'), present }
    const broken = { ...create('z'), decide: () => ok([wrongDraft]) }
    const outcomes = await behind(store, [create('c'), failing, broken, create('d')])
    expect(outcomes).toEqual([
      ...['committed', 'its own fault', expect.stringMatching(/violates/), 'committed'],
    ])
    const there = [...((await store.snapshot())?.backends.keys() ?? [])].sort()
    expect(there).toEqual(['a', 'b', 'c', 'd', 'first'])
    expect(await store.readWhole(() => true)).toEqual([])
  })

  it('go alone where they write nothing, undo something, or look at much', async () => {
    const store = await harness.open()
    const dry = { ...create('x'), dryRun: true }
    const looksAt = Array.from({ length: 65 }, (_, nth) => {
      return { resource: 'backend', id: `n${nth}` } as const
    })
    const large = { ...create('large'), looksAt }
    const outcomes = await behind(store, [create('a'), dry, create('b'), create('c'), large])
    expect(outcomes).toEqual(['committed', 'unchanged', 'committed', 'committed', 'committed'])
    expect(await transactions()).toEqual(['1', '2', '3 4', '5'])
  })

  it('are all left open by a commit whose outcome is unknown, and none is written twice', async () => {
    const wire = await openWire(harness.url())
    try {
      const store = await harness.open({ url: wire.url })
      await store.write(put('a', 'http://a'))
      const cut = change((now) => {
        wire.cutAfter('COMMIT')
        return [draftOf(now, 'b', 'http://b')]
      })
      const outcomes = await behind(store, [create('c'), cut, create('d')])
      for (const one of outcomes) expect(one).toMatch(/outcome is unknown/)
      wire.mend()
      expect(await store.write(put('e', 'http://e'))).toMatchObject({ kind: 'committed' })
      expect([3, 6]).toContain((await store.snapshot())?.backends.size)
      expect(await store.readWhole(() => true)).toEqual([])
    } finally {
      await wire.close()
    }
  })
})

/** Postgres refuses it: the log has this version already. */
const wrongDraft: Draft = {
  ...{ type: 'backend.updated', resource: 'backend', id: 'a', version: 1, spec: null },
}

describe('a train', () => {
  const done: Settled = { ok: true, outcome: { kind: 'unchanged', revision: 0, answer: answer() } }
  function answer() {
    return { status: 200, headers: {}, body: '' }
  }

  it('has a bounded length, and takes each one once, in order', async () => {
    const taken: string[][] = []
    const train = createWriteTrain(createWriteQueue({ clock: systemClock }), (requests) => {
      taken.push(requests.map(({ intent }) => intent.requestId))
      return Promise.resolve(requests.map(() => done))
    })
    const count = 2 * TOGETHER_MAX + 2
    const requests = Array.from({ length: count }, (_, nth) => {
      const request = put('b', 'http://b')
      return { ...request, intent: { ...request.intent, requestId: String(nth) } }
    })
    await Promise.all(requests.map((request) => train.enter(request)))
    expect(taken.flat()).toEqual(requests.map(({ intent }) => intent.requestId))
    expect(taken.every(({ length }) => length <= TOGETHER_MAX)).toBe(true)
    expect(taken.length).toBe(3)
  })

  it('leaves those out whom the queue turns away, and tells them why', async () => {
    const open = Promise.withResolvers<void>()
    const queue = createWriteQueue({ clock: systemClock, waitingMax: 2 })
    const begun = Promise.withResolvers<void>()
    const written: number[] = []
    const train = createWriteTrain(queue, async (requests) => {
      written.push(requests.length)
      begun.resolve()
      await open.promise
      return requests.map(() => ({ ok: false, error: new DatabaseUnavailable('away') }))
    })
    const [first, second] = [1, 2].map(() => train.enter(put('b', 'http://b')))
    await begun.promise
    expect(await train.enter(put('b', 'http://b'))).toBeNull()
    open.resolve()
    await expect(first).rejects.toThrow('away')
    await expect(second).rejects.toThrow('away')
    expect(written).toEqual([2])
  })
})
