import { sha256 } from '@signalbox/host'
import { ChainCheck } from '@signalbox/model'
import { createHarness, intent, put } from './test-harness.ts'

const harness = createHarness()

const NOTHING = { kind: 'seen', head: null } as const

async function problemsOf(store: Awaited<ReturnType<typeof harness.open>>) {
  const chain = new ChainCheck(sha256)
  const found = await store.readWhole((message) => chain.next(message))
  return [...found, ...chain.end().problems]
}

describe('an epoch', () => {
  it('is kept as long as the database is the one that it was', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://one'))
    expect(await store.keepEpoch(NOTHING)).toBeNull()
    expect(await store.keepEpoch(NOTHING)).toBeNull()
    expect(await store.head()).toMatchObject({ epoch: 1, revision: 1 })
  })

  it.each([
    ['system_identifier', "'7'", /another database system/],
    ['timeline', '77', /timeline 1, no longer 77/],
  ])('begins where the %s is another one, once', async (column, value, why) => {
    const store = await harness.open()
    await store.write(put('b1', 'http://one'))
    await store.keepEpoch(NOTHING)
    await harness.sql(`UPDATE log_head SET ${column} = ${value}`)
    expect(await store.keepEpoch(NOTHING)).toMatch(why)
    expect(await store.keepEpoch(NOTHING)).toBeNull()
    expect(await store.head()).toMatchObject({ epoch: 2, revision: 2 })
  })

  it('begins where somebody has seen more of this very log, once, whoever finds it', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    await one.write(put('b1', 'http://one'))
    const { lineage } = await one.head()
    const seen = { kind: 'seen', head: { lineage, epoch: 1, revision: 5 } } as const
    const reasons = await Promise.all([one, two].map((store) => store.keepEpoch(seen)))
    expect(reasons.filter((reason) => reason !== null)).toEqual([
      'the log ends at 1, but revision 5 has been seen: a backup?',
    ])
    expect(await two.head()).toMatchObject({ epoch: 2, revision: 2 })
  })

  it.each([
    ['no more', { revision: 1 }],
    ['another log', { revision: 9, lineage: 'other' }],
    ['another epoch', { revision: 9, epoch: 3 }],
  ])('is kept where somebody has seen %s', async (_, more) => {
    const store = await harness.open()
    await store.write(put('b1', 'http://one'))
    const { lineage } = await store.head()
    const head = { lineage, epoch: 1, ...more } as const
    expect(
      await store.keepEpoch({ kind: 'seen', head: { ...head, revision: more.revision } }),
    ).toBe(null)
    expect(await store.head()).toMatchObject({ epoch: 1, revision: 1 })
  })

  it('begins with an empty revision that says why, in an unbroken chain', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    await one.write(put('b1', 'http://one'))
    await two.write(put('b2', 'http://two'))
    await one.keepEpoch({ kind: 'asked', intent: { ...intent, reason: 'the backup of Monday' } })
    // Both go on: the one that began it, and the one that had the state of before in memory.
    await two.write(put('b3', 'http://three'))
    await one.write(put('b1', 'http://four'))
    const record = await one.revision(3)
    expect(record?.body).toMatchObject({ epoch: 2, events: [], reason: 'the backup of Monday' })
    expect(record?.changes).toEqual([])
    expect((await one.revision(4))?.body.epoch).toBe(2)
    expect((await one.snapshot())?.backends.size).toBe(3)
    expect((await one.snapshot(3))?.backends.size).toBe(2)
    expect(await problemsOf(one)).toEqual([])
  })

  it('can be begun before there is anything', async () => {
    const store = await harness.open()
    await store.keepEpoch({ kind: 'asked', intent })
    expect(await store.head()).toMatchObject({ epoch: 2, revision: 1 })
    expect(await problemsOf(store)).toEqual([])
  })

  it('does not make room for empty revisions within it', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://one'))
    const { lineage } = await store.head()
    const body = JSON.stringify({
      ...{ fleet: 'default', lineage, epoch: 1, revision: 2, at: '2026-01-01T00:00:00Z' },
      ...{ actor: 'x', events: [] },
    })
    const hash = `(SELECT revision_hash(hash, epoch, 2, $1) FROM log_head)`
    await expect(
      harness.sql(`SELECT append_revision('default', $1, ${hash})`, [Buffer.from(body)]),
    ).rejects.toThrow(/the events of revision 2/)
  })
})
