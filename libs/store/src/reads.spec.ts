import { project, type RevisionBody, type Snapshot } from '@signalbox/model'
import fc from 'fast-check'
import { change, createHarness, draftOf, put } from './test-harness.ts'
import { type Store } from './store.ts'

const harness = createHarness()

async function snapshotAt(store: Store, revision?: number): Promise<Snapshot> {
  const snapshot = await store.snapshot(revision)
  if (!snapshot) throw new Error(`no snapshot at ${revision}`)
  return snapshot
}

describe('the state as of a revision', () => {
  const ids = fc.constantFrom('b1', 'b2', 'b3')
  const urls = fc.option(fc.constantFrom('http://a', 'http://b'), { nil: null })
  const step = fc.uniqueArray(fc.record({ id: ids, url: urls }), {
    selector: ({ id }) => id,
    minLength: 1,
  })

  it('is what was recorded then, and the fold of the log, for any history', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const store = await harness.open({ fleet: `f${run++}` })
        const recorded = [await snapshotAt(store)]
        for (const changes of steps) {
          harness.clock.advance(1_000)
          await store.write(
            change((snapshot) =>
              changes
                .filter(({ id, url }) => url !== null || snapshot.backends.has(id))
                .map(({ id, url }) => draftOf(snapshot, id, url)),
            ),
          )
          const now = await snapshotAt(store)
          if (now.head.revision > (recorded.at(-1)?.head.revision ?? 0)) recorded.push(now)
        }
        let folded = await snapshotAt(store, 0)
        for (const message of await store.messagesAfter(0, 100)) {
          folded = project(folded, message, JSON.parse(message.body) as RevisionBody)
          expect(folded).toEqual(recorded[folded.head.revision])
        }
        expect(folded.head.revision).toBe(recorded.length - 1)
        for (const [revision, snapshot] of recorded.entries()) {
          expect(await snapshotAt(store, revision)).toEqual(snapshot)
        }
        await store.close()
      }),
      { numRuns: 15 },
    )
  })

  it('is empty at 0, and null beyond the head', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    expect((await snapshotAt(store, 0)).backends.size).toBe(0)
    expect(await store.snapshot(2)).toBeNull()
  })

  it('is found by time', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    harness.clock.advance(60_000)
    await store.write(put('b1', 'http://b'))
    const nowMs = harness.clock.nowMs()
    expect(await store.revisionAt(new Date(nowMs))).toBe(2)
    expect(await store.revisionAt(new Date(nowMs - 1))).toBe(1)
    expect(await store.revisionAt(new Date(0))).toBe(0)
  })
})

describe('one resource', () => {
  it('tells when it was made, when it was changed and by which revision', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    harness.clock.advance(1_000)
    await store.write(put('b1', 'http://b'))
    const found = await store.resource('backend', 'b1')
    expect(found).toEqual((await snapshotAt(store)).backends.get('b1'))
    expect(found).toMatchObject({ version: 2, revision: 2, spec: { url: 'http://b' } })
    expect(Date.parse(found?.updatedAt ?? '') - Date.parse(found?.createdAt ?? '')).toBe(1_000)
  })

  it('is null where it is not, was deleted, or belongs to another fleet', async () => {
    const [store, other] = [await harness.open(), await harness.open({ fleet: 'other' })]
    await store.write(put('b1', 'http://a'))
    expect(await other.resource('backend', 'b1')).toBeNull()
    expect(await store.resource('route', 'b1')).toBeNull()
    await store.write(put('b1', null))
    expect(await store.resource('backend', 'b1')).toBeNull()
  })
})

describe('the history', () => {
  const numbers = (records: Awaited<ReturnType<Store['revisions']>>) =>
    records.map((record) => record.body.revision)

  it('tells who and why, newest first, with the specs before and after', async () => {
    const store = await harness.open()
    for (const url of ['http://a', 'http://b', null, 'http://c']) await store.write(put('b1', url))
    const records = await store.revisions({ limit: 10 })
    expect(numbers(records)).toEqual([4, 3, 2, 1])
    expect(records[0]?.body).toMatchObject({ actor: 'tester', role: 'admin', reason: 'why' })
    expect(records.map(({ changes }) => changes)).toMatchObject([
      [{ resource: 'backend', id: 'b1', op: 'created', before: null, after: { url: 'http://c' } }],
      [{ op: 'deleted', before: { url: 'http://b' }, after: null }],
      [{ op: 'updated', before: { url: 'http://a' }, after: { url: 'http://b' } }],
      [{ op: 'created', before: null, after: { url: 'http://a' } }],
    ])
    expect(records[0]?.previousHash).toBe(records[1]?.hash)
    expect(await store.revision(4)).toEqual(records[0])
    expect(await store.revision(5)).toBeNull()
  })

  it('is filtered by resource, id, actor and age, and paged', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    const { intent, ...rest } = put('b2', 'http://a')
    await store.write({ ...rest, intent: { ...intent, actor: { id: 'other', role: 'admin' } } })
    await store.write(put('b1', 'http://b'))
    const ask = async (filter: Omit<Parameters<Store['revisions']>[0], 'limit'>, limit = 10) =>
      numbers(await store.revisions({ ...filter, limit }))
    expect(await ask({ id: 'b1' })).toEqual([3, 1])
    expect(await ask({ resource: 'backend', id: 'b2' })).toEqual([2])
    expect(await ask({ resource: 'route' })).toEqual([])
    expect(await ask({ actor: 'other' })).toEqual([2])
    expect(await ask({ before: 3 }, 1)).toEqual([2])
    expect(await ask({ before: 2, actor: 'other' })).toEqual([])
  })
})
