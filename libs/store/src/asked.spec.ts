import {
  canonicalJson,
  collection,
  ok,
  refuse,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import fc from 'fast-check'
import { type Store } from './store.ts'
import { change, createHarness, draftOf, intent, put } from './test-harness.ts'

const harness = createHarness()
const HELD_MAX = 3

/** A store that holds no collection of more than three. */
const openSmall = () => harness.open({ heldMax: HELD_MAX })

/** Runs a decision that changes nothing; answers what its last run saw, and how often it ran. */
async function look<Seen>(store: Store, see: (now: Snapshot) => Seen, looksAt: string[] = []) {
  let runs = 0
  let seen: Seen | undefined
  await store.write({
    ...change(() => []),
    looksAt: looksAt.map((id) => ({ resource: 'backend', id })),
    decide: (now) => {
      runs++
      seen = see(now)
      return ok([])
    },
  })
  return { seen, runs }
}

const wholeOf = (now: Snapshot) => snapshotFrom(now.head, (name) => new Map(collection(now, name)))

describe('a decision on a state that is too large to be held', () => {
  const ids = ['b1', 'b2', 'b3', 'b4', 'b5'] as const

  async function filled(): Promise<Store> {
    const store = await openSmall()
    await store.write(change((now) => ids.map((id) => draftOf(now, id, `http://${id}`))))
    return store
  }

  it('sees what it asks for, and runs once where it said so before', async () => {
    const store = await filled()
    const see = ({ backends }: Snapshot) => [backends.get('b2')?.spec.url, backends.has('nope')]
    expect(await look(store, see)).toEqual({ seen: ['http://b2', false], runs: 2 })
    const told = await look(store, see, ['b2', 'nope'])
    expect(told).toEqual({ seen: ['http://b2', false], runs: 1 })
  })

  it('may follow what it finds, or look at all there is', async () => {
    const store = await filled()
    const chain = ({ backends }: Snapshot) =>
      ['b1', 'b2', 'b3'].reduce(
        (found, id) => (found === null ? null : (backends.get(id)?.spec.url ?? null)),
        '' as string | null,
      )
    expect(await look(store, chain)).toEqual({ seen: 'http://b3', runs: 4 })
    const all = await look(store, ({ backends }) => [backends.size, [...backends.keys()]])
    expect(all).toEqual({ seen: [5, ids], runs: 2 })
  })

  it('may stumble over what it has not read yet, not over what there is', async () => {
    const store = await filled()
    const strict = ({ backends }: Snapshot) => {
      const found = backends.get('b1')
      if (!found) throw new Error('b1 is missing')
      return found.version
    }
    expect(await look(store, strict)).toEqual({ seen: 1, runs: 2 })
    await store.write(put('b1', null))
    await expect(look(store, strict)).rejects.toThrow('b1 is missing')
  })

  it('is given up where it never has enough', async () => {
    const store = await filled()
    let nth = 0
    const endless = ({ backends }: Snapshot) => backends.get(`x${nth++}`)
    await expect(look(store, endless)).rejects.toThrow('still asked for more')
    expect((await store.head()).revision).toBe(1)
  })

  it('runs once where everything is held', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    const seen = await look(store, ({ backends }) => [...backends.keys()])
    expect(seen).toEqual({ seen: ['b1'], runs: 1 })
  })

  it('holds what it needs after a collection outgrew what is held, also in another process', async () => {
    const [one, other] = [await openSmall(), await openSmall()]
    for (const id of ids) {
      await one.write(put(id, `http://${id}`))
      expect((await look(other, wholeOf)).seen).toEqual(await one.snapshot())
      expect((await look(one, wholeOf)).seen).toEqual(await one.snapshot())
    }
    await other.write(put('b1', null))
    expect((await look(one, ({ backends }) => backends.has('b1'))).seen).toBe(false)
  })
})

describe('a check of what was decided', () => {
  const draft = (now: Snapshot) => [draftOf(now, 'b1', 'http://new')]
  const refusing =
    (id: string) =>
    ({ backends }: Snapshot) =>
      backends.has(id) ? refuse('does_not_compile', `${id} is there`) : undefined

  it('sees what it asks for, and refuses', async () => {
    const store = await openSmall()
    const ids = ['b1', 'b2', 'b3', 'b4']
    await store.write(change((now) => ids.map((id) => draftOf(now, id, 'http://a'))))
    const refused = await store.write({ ...change(draft), checks: [refusing('b4')] })
    expect(refused).toMatchObject({ kind: 'refused', refusal: { message: 'b4 is there' } })
    const taken = await store.write({ ...change(draft), checks: [refusing('b5')] })
    expect(taken).toMatchObject({ kind: 'committed', revision: 2 })
  })

  it('is not asked where nothing changes', async () => {
    const store = await openSmall()
    const never = () => {
      throw new Error('asked')
    }
    const { kind } = await store.write({ ...change(() => []), checks: [never] })
    expect(kind).toBe('unchanged')
  })
})

describe('what a rollback is decided on', () => {
  const step = fc.record({
    id: fc.constantFrom('b1', 'b2', 'b3', 'b4', 'b5'),
    url: fc.option(fc.constantFrom('http://a', 'http://b'), { nil: null }),
  })

  it('is how things were, of all that was changed since, as is what differs', async () => {
    let run = 0
    const steps = fc.array(step, { minLength: 2, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(steps, fc.nat({ max: 10 }), async (history, at) => {
        const store = await harness.open({ fleet: `f${run++}`, heldMax: HELD_MAX })
        for (const { id, url } of history) {
          await store.write(
            change((now) => ((url ?? now.backends.has(id)) ? [draftOf(now, id, url)] : [])),
          )
        }
        const { revision } = await store.head()
        const undoesAfter = Math.min(at, revision)
        const then = await store.snapshot(undoesAfter)
        const now = await store.snapshot()
        await store.write({
          ...change(() => []),
          intent: { ...intent, undoesAfter },
          decide: (_, past) => {
            const touched = new Set(past?.touched.map(({ id }) => id))
            expect(past?.snapshot.head).toEqual(then?.head)
            for (const id of ['b1', 'b2', 'b3', 'b4', 'b5']) {
              const was = then?.backends.get(id)
              if (touched.has(id)) expect(past?.snapshot.backends.get(id)).toEqual(was)
              else expect(was).toEqual(now?.backends.get(id))
            }
            return ok([])
          },
        })
        const between = await betweenIn(store, undoesAfter)
        expect(between?.before.head).toEqual(then?.head)
        expect(between?.after.head).toEqual(now?.head)
        for (const [id, resource] of between?.before.backends ?? []) {
          expect(resource).toEqual(then?.backends.get(id))
        }
        for (const [id, resource] of between?.after.backends ?? []) {
          expect(resource).toEqual(now?.backends.get(id))
        }
        const differs = (id: string) =>
          canonicalJson(then?.backends.get(id) ?? null) !==
          canonicalJson(now?.backends.get(id) ?? null)
        const known = new Set([
          ...(between?.before.backends.keys() ?? []),
          ...(between?.after.backends.keys() ?? []),
        ])
        for (const id of ['b1', 'b2', 'b3', 'b4', 'b5'])
          if (differs(id)) expect(known).toContain(id)
        await store.close()
      }),
      { numRuns: 12 },
    )
  })

  it('is not there beyond the head', async () => {
    const store = await openSmall()
    await store.write(put('b1', 'http://a'))
    expect(await store.between(0, 2)).toBeNull()
    expect(await store.between(2)).toBeNull()
    expect((await betweenIn(store, 1))?.before.backends.size).toBe(0)
  })
})

/** What is between, where that is not too much. */
async function betweenIn(store: Store, from: number) {
  const found = await store.between(from)
  if (found === 'too many') throw new Error('too many')
  return found
}

describe('the state of some kinds', () => {
  it('is that of these alone, now and then', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    for (const asOf of [undefined, 1]) {
      expect((await store.snapshot(asOf, ['backend']))?.backends.size).toBe(1)
      expect((await store.snapshot(asOf, ['route', 'policy']))?.backends.size).toBe(0)
    }
  })
})

describe('one resource, and the ids of all', () => {
  it('are as they were at a revision, or are now', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    harness.clock.advance(1_000)
    await store.write(put('b1', 'http://b'))
    await store.write(put('b1', null))
    await store.write(put('b1', 'http://c'))
    await store.write(put('a1', 'http://c'))
    for (let asOf = 0; asOf <= 5; asOf++) {
      const then = await store.snapshot(asOf)
      const found = await store.resource('backend', 'b1', asOf)
      expect(found).toEqual(then?.backends.get('b1') ?? null)
    }
    expect(await store.resource('route', 'b1', 5)).toBeNull()
    expect(await store.ids('backend')).toEqual({ revision: 5, ids: ['a1', 'b1'] })
    expect((await store.ids('backend', { limit: 1 })).ids).toEqual(['a1'])
    expect((await store.ids('backend', { after: 'a1', limit: 2 })).ids).toEqual(['b1'])
  })
})
