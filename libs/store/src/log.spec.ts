import { sha256 } from '@signalbox/host'
import { chainHash, GENESIS_HASH, type RevisionMessage } from '@signalbox/model'
import fc from 'fast-check'
import { createHarness, intent, put } from './test-harness.ts'

const harness = createHarness()

/** Numbers are dense, each hash is that of its bytes, each link fits. Answers the last hash. */
function expectWhole(messages: readonly RevisionMessage[]): string {
  let previousHash = GENESIS_HASH
  for (const [index, message] of messages.entries()) {
    expect(message.revision).toBe(index + 1)
    expect(message.previousHash).toBe(previousHash)
    expect(chainHash(message, sha256)).toBe(message.hash)
    previousHash = message.hash
  }
  return previousHash
}

describe('the log', () => {
  it('is dense and chained under 40 concurrent writers on two instances', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, n) => (n % 2 ? one : two).write(put(`b${n}`, `http://h${n}`))),
    )
    const revisions = outcomes.map((outcome) =>
      outcome.kind === 'committed' ? outcome.revision : 0,
    )
    expect(revisions.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    const messages = await one.messagesAfter(0, 100)
    expect(messages).toHaveLength(40)
    expect(expectWhole(messages)).toBe((await two.head()).hash)
    const positions = messages.flatMap(({ body }) =>
      JSON.parse(body).events.map((event: { position: number }) => event.position),
    )
    expect(positions).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    expect((await two.snapshot())?.backends.size).toBe(40)
  })

  it('has one lineage, whoever opens it first, and another for each fleet', async () => {
    const stores = await Promise.all([harness.open(), harness.open(), harness.open()])
    const heads = await Promise.all(stores.map((store) => store.head()))
    expect(new Set(heads.map((head) => head.lineage)).size).toBe(1)
    const other = await harness.open({ fleet: 'other' })
    expect((await other.head()).lineage).not.toBe(heads[0]?.lineage)
  })

  it('is handed out in order, from where it is asked for, as much as is asked for', async () => {
    const store = await harness.open()
    for (const id of ['b1', 'b2', 'b3', 'b4']) await store.write(put(id, 'http://a'))
    const numbers = async (after: number, limit: number) =>
      (await store.messagesAfter(after, limit)).map((message) => message.revision)
    expect(await numbers(1, 2)).toEqual([2, 3])
    expect(await numbers(4, 2)).toEqual([])
  })

  it('keeps text and numbers to the byte, and SQL computes the same hash', async () => {
    const store = await harness.open()
    const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((t) => !t.includes('\0'))
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.double({ min: 0, max: 1000, noNaN: true }),
        async (reason, weight) => {
          const { decide, ...rest } = put('b1', 'http://a')
          await store.write({
            ...rest,
            intent: { ...intent, reason },
            decide: (snapshot, past) => {
              const decided = decide(snapshot, past)
              if (!decided.ok) return decided
              const value = decided.value.map((draft) => ({
                ...draft,
                spec: { ...draft.spec, weight },
              }))
              return { ok: true, value: value as typeof decided.value }
            },
          })
          const { revision } = await store.head()
          const [message] = await store.messagesAfter(revision - 1, 1)
          const body = message && JSON.parse(message.body)
          expect(body.reason).toBe(reason)
          expect(body.events[0].spec.weight).toBe(weight)
          expect((await store.resource('backend', 'b1'))?.spec.weight).toBe(weight)
          expect((await store.revision(revision))?.changes[0]?.after).toMatchObject({ weight })
        },
      ),
      { numRuns: 30 },
    )
    expectWhole(await store.messagesAfter(0, 100))
    expect(
      await harness.sql(`SELECT count(*)::int AS wrong FROM revision
        WHERE hash <> revision_hash(previous_hash, epoch, revision, body)`),
    ).toEqual([{ wrong: 0 }])
  })
})

describe('the log in SQL', () => {
  it.each([
    `UPDATE revision SET actor = 'x'`,
    'DELETE FROM revision',
    'TRUNCATE revision CASCADE',
    `UPDATE event SET id = 'x'`,
    'DELETE FROM event',
    'TRUNCATE event',
    'DELETE FROM log_head',
    `SET session_replication_role = replica; DELETE FROM event`,
  ])('refuses %s', async (sql) => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    await expect(harness.sql(sql)).rejects.toThrow(/append-only|foreign key/)
    expect(await store.messagesAfter(0, 9)).toHaveLength(1)
  })

  /** Appends these fields over those of a revision that would fit. */
  async function append(fields: object, hash?: string): Promise<unknown> {
    const store = await harness.open()
    const { lineage, epoch, revision, hash: previousHash } = await store.head()
    const event = { position: 1, type: 'backend.created', resource: 'backend', id: 'b', version: 1 }
    const body = JSON.stringify({
      fleet: 'default',
      lineage,
      epoch,
      revision: revision + 1,
      at: '2026-01-01T00:00:00.000Z',
      actor: 'x',
      events: [{ ...event, schema: 1, spec: {} }],
      ...fields,
    })
    const right = chainHash({ previousHash, epoch, revision: revision + 1, body }, sha256)
    return harness.sql('SELECT append_revision($1, $2, $3)', [
      'default',
      Buffer.from(body),
      Buffer.from(hash ?? right, 'hex'),
    ])
  }

  it('takes a revision that follows', async () => {
    await append({})
    expect(await harness.sql('SELECT id, version::int FROM resource')).toEqual([
      { id: 'b', version: 1 },
    ])
  })

  it.each<[string, object, RegExp]>([
    ['a gap', { revision: 3 }, /revision 3 .* does not follow 0/],
    ['another epoch', { epoch: 2 }, /does not follow/],
    ['another lineage', { lineage: '3b241101-e2bb-4255-8caf-4136c566a962' }, /does not follow/],
    ['another fleet', { fleet: 'other' }, /does not follow/],
    ['no events', { events: [] }, /do not follow position 0/],
    ['a gap between events', { events: [{ position: 2 }] }, /do not follow position 0/],
  ])('refuses %s', async (_what, fields, problem) => {
    await expect(append(fields)).rejects.toThrow(problem)
    expect(await harness.sql('SELECT revision FROM revision')).toEqual([])
  })

  it('refuses bytes that are not those of the hash', async () => {
    await expect(append({}, 'f'.repeat(64))).rejects.toThrow(/hash of revision 1 is not/)
  })
})
