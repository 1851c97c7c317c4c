import { err, ok, refuse } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { change, createHarness, draftOf, put } from './test-harness.ts'

const harness = createHarness()

describe('a write', () => {
  it('makes one revision of all its drafts, and the state shows them', async () => {
    const store = await harness.open()
    const both = change((snapshot) => [
      draftOf(snapshot, 'b1', 'http://a'),
      draftOf(snapshot, 'b2', 'http://b'),
    ])
    expect(await store.write(both)).toMatchObject({ kind: 'committed', revision: 1 })
    expect(await store.head()).toMatchObject({ revision: 1, epoch: 1 })
    const body = (await store.revision(1))?.body
    expect(body?.events.map(({ id, position }) => [id, position])).toEqual([
      ['b1', 1],
      ['b2', 2],
    ])
    expect(body).toMatchObject({ at: '2026-01-01T00:00:00.000Z', actor: 'tester', reason: 'why' })
    expect([...((await store.snapshot())?.backends.keys() ?? [])]).toEqual(['b1', 'b2'])
  })

  it('decides on what was committed before it, here and elsewhere', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    await one.write(put('b1', 'http://a'))
    await two.write(put('b2', 'http://b'))
    await one.write(put('b3', 'http://c'))
    const seen: string[] = []
    await one.write(
      change((snapshot) => {
        seen.push(...snapshot.backends.keys())
        return []
      }),
    )
    expect(seen).toEqual(['b1', 'b2', 'b3'])
  })

  it('that is refused writes nothing', async () => {
    const store = await harness.open()
    const refusal = refuse('not_found', 'no')
    const outcome = await store.write({ ...put('b1', 'http://a'), decide: () => err(refusal) })
    expect(outcome).toEqual({ kind: 'refused', refusal })
    expect((await store.head()).revision).toBe(0)
  })

  it('that changes nothing makes no revision', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    const outcome = await store.write({ ...put('b1', 'http://a'), decide: () => ok([]) })
    expect(outcome).toMatchObject({ kind: 'unchanged', revision: 1, answer: { body: '0' } })
    expect((await store.head()).revision).toBe(1)
  })

  it('whose rules or answer throw writes nothing, and the next one works', async () => {
    const store = await harness.open()
    const bug = () => {
      throw new Error('a bug, not a time-out')
    }
    await expect(store.write({ ...put('b1', 'http://a'), decide: bug })).rejects.toThrow('a bug')
    await expect(store.write({ ...put('b1', 'http://a'), present: bug })).rejects.toThrow('a bug')
    expect((await store.head()).revision).toBe(0)
    expect(await store.write(put('b1', 'http://a'))).toMatchObject({ revision: 1 })
  })

  it('goes on counting versions across delete and re-create', async () => {
    const store = await harness.open()
    for (const url of ['http://a', null, 'http://b']) await store.write(put('b1', url))
    expect(await store.resource('backend', 'b1')).toMatchObject({ version: 3, revision: 3 })
    expect((await store.snapshot())?.backends.get('b1')?.version).toBe(3)
  })

  it('is committed even where a listener throws', async () => {
    const store = await harness.open()
    let heard = 0
    store.onAppend(() => {
      throw new Error('a listener')
    })
    const stop = store.onAppend(() => heard++)
    await store.write(put('b1', 'http://a'))
    expect(heard).toBeGreaterThan(0)
    stop()
    const before = heard
    await store.write(put('b2', 'http://a'))
    expect(heard).toBe(before)
  })
})

describe('a dry run', () => {
  it('shows what would be, and consumes no number', async () => {
    const store = await harness.open()
    const outcome = await store.write({ ...put('b1', 'http://a'), dryRun: true })
    expect(outcome).toMatchObject({ kind: 'unchanged', answer: { body: '1' } })
    expect((await store.head()).revision).toBe(0)
    expect(await store.resource('backend', 'b1')).toBeNull()
    expect(await store.write(put('b1', 'http://a'))).toMatchObject({ revision: 1 })
    expect((await store.revision(1))?.body.events[0]).toMatchObject({ position: 1, version: 1 })
  })

  it('wakes nobody', async () => {
    const store = await harness.open()
    const notified = await harness.listen()
    await store.write({ ...put('b1', 'http://a'), dryRun: true })
    await store.write(put('b2', 'http://a'))
    await eventually(() => notified.length > 0)
    expect(notified).toEqual(['default:1'])
  })

  it('neither finds nor leaves an Idempotency-Key', async () => {
    const store = await harness.open()
    const keyed = { ...put('b1', 'http://a'), idempotency: { key: 'k', requestHash: 'h' } }
    await store.write({ ...keyed, dryRun: true })
    expect(await store.write(keyed)).toMatchObject({ kind: 'committed' })
    expect(await store.write({ ...keyed, dryRun: true })).toMatchObject({ kind: 'unchanged' })
  })
})
