import { ok } from '@signalbox/model'
import { createHarness, put } from './test-harness.ts'

const DAY_MS = 86_400_000
const harness = createHarness()

const keyed = (key: string, requestHash: string) => ({
  ...put('b1', 'http://a'),
  idempotency: { key, requestHash },
})

describe('an Idempotency-Key', () => {
  it('gives the same answer again, byte for byte, and writes once', async () => {
    const [store, other] = [await harness.open(), await harness.open()]
    const answer = { status: 201, headers: { etag: '"1"' }, body: '{"b": 1.0, "a":"ü\u2028😀" }\n' }
    const request = { ...keyed('k', 'h'), present: () => answer }
    expect(await store.write(request)).toEqual({ kind: 'committed', answer, revision: 1 })
    const again = { ...request, present: () => ({ status: 500, headers: {}, body: 'not this' }) }
    expect(await store.write(again)).toEqual({ kind: 'replayed', answer, revision: 1 })
    expect(await other.write(again)).toEqual({ kind: 'replayed', answer, revision: 1 })
    expect((await store.head()).revision).toBe(1)
  })

  it('is refused with another request', async () => {
    const store = await harness.open()
    await store.write(keyed('k', 'h'))
    const outcome = await store.write(keyed('k', 'other'))
    expect(outcome).toMatchObject({ kind: 'refused', refusal: { code: 'idempotency_mismatch' } })
    expect((await store.head()).revision).toBe(1)
  })

  it('of twins that race on two instances writes once', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    const outcomes = await Promise.all([one.write(keyed('k', 'h')), two.write(keyed('k', 'h'))])
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['committed', 'replayed'])
  })

  it('remembers that nothing changed', async () => {
    const store = await harness.open()
    const nothing = { ...keyed('k', 'h'), decide: () => ok([]) }
    expect(await store.write(nothing)).toMatchObject({ kind: 'unchanged', revision: 0 })
    await store.write(put('b1', 'http://a'))
    expect(await store.write(keyed('k', 'h'))).toMatchObject({ kind: 'replayed', revision: 0 })
  })

  it('forgets a refusal: the caller may correct what was wrong', async () => {
    const store = await harness.open()
    const refused = { ...keyed('k', 'h'), decide: () => ({ ok: false, error: REFUSAL }) as const }
    expect(await store.write(refused)).toMatchObject({ kind: 'refused' })
    expect(await store.write(keyed('k', 'h'))).toMatchObject({ kind: 'committed' })
  })

  it('of one fleet is none of another', async () => {
    const [one, two] = [await harness.open(), await harness.open({ fleet: 'other' })]
    await one.write(keyed('k', 'h'))
    expect(await two.write(keyed('k', 'else'))).toMatchObject({ kind: 'committed' })
  })

  it('is kept for a week, and then removed when another one comes', async () => {
    const store = await harness.open()
    const keys = async () =>
      (await harness.sql('SELECT key FROM idempotency ORDER BY key')).map((row) => row.key)
    await store.write(keyed('old', 'h'))
    harness.clock.advance(6 * DAY_MS)
    await store.write(keyed('new', 'h'))
    expect(await keys()).toEqual(['new', 'old'])
    harness.clock.advance(2 * DAY_MS)
    await store.write(keyed('newer', 'h'))
    expect(await keys()).toEqual(['new', 'newer'])
  })
})

const REFUSAL = { code: 'not_found', message: 'no' } as const
