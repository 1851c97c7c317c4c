import { sha256 } from '@signalbox/host'
import { ChainCheck, DEFAULT_SETTINGS, ok } from '@signalbox/model'
import { type WriteRequest } from './store.ts'
import { change, createHarness, put } from './test-harness.ts'

const harness = createHarness()

async function fill() {
  const store = await harness.open()
  for (const [id, url] of [
    ['b1', 'http://one'],
    ['b2', 'http://two'],
    ['b1', 'http://three'],
    ['b2', null],
  ] as const) {
    await store.write(put(id, url))
  }
  return store
}

/** As a superuser does who gets past the triggers. */
const tamper = (sql: string) =>
  harness.sql(`SET session_replication_role = replica;
    ALTER TABLE revision DISABLE TRIGGER ALL; ALTER TABLE event DISABLE TRIGGER ALL; ${sql}`)

async function problemsOf(store: Awaited<ReturnType<typeof fill>>): Promise<readonly string[]> {
  const chain = new ChainCheck(sha256)
  const problems = await store.readWhole((message) => chain.next(message))
  return [...chain.end().problems, ...problems].map(
    ({ revision, message }) => `${revision}: ${message}`,
  )
}

describe('reading the whole log', () => {
  it('finds nothing where nobody wrote past it, hands over each revision once', async () => {
    const store = await fill()
    const seen: number[] = []
    expect(await store.readWhole(({ revision }) => seen.push(revision) > 0)).toEqual([])
    expect(seen).toEqual([1, 2, 3, 4])
    expect(await problemsOf(store)).toEqual([])
  })

  it('finds an edited body', async () => {
    const store = await fill()
    await tamper(`UPDATE revision SET body =
      convert_to(replace(convert_from(body, 'UTF8'), 'http://two', 'http://bad'), 'UTF8')
      WHERE revision = 2`)
    expect(await problemsOf(store)).toEqual([
      '2: its bytes do not give its hash',
      '2: the index of its events is not what its bytes say',
    ])
  })

  it('finds a removed revision', async () => {
    const store = await fill()
    await tamper('DELETE FROM event WHERE revision = 2; DELETE FROM revision WHERE revision = 2')
    expect(await problemsOf(store)).toContain('3: follows revision 1')
  })

  it('finds revisions that changed places', async () => {
    const store = await fill()
    await tamper(`UPDATE revision SET revision = 99 WHERE revision = 2;
      UPDATE revision SET revision = 2 WHERE revision = 3;
      UPDATE revision SET revision = 3 WHERE revision = 99`)
    expect((await problemsOf(store)).length).toBeGreaterThan(0)
  })

  it('finds a tail that was cut off where the head still tells of it', async () => {
    const store = await fill()
    await tamper('DELETE FROM event WHERE revision = 4; DELETE FROM revision WHERE revision = 4')
    expect(await problemsOf(store)).toContain('3: the log ends here, but its head says 4')
  })

  it.each([
    [
      `UPDATE event SET spec = jsonb_set(spec, '{url}', '"http://bad"') WHERE revision = 2`,
      '2: the index of its events is not what its bytes say',
    ],
    [
      `UPDATE resource SET spec = jsonb_set(spec, '{url}', '"http://bad"')`,
      "4: the state's backend b1 is not what revision 3 made it",
    ],
    ['DELETE FROM resource', "4: the state's backend b1 is missing"],
    [
      `INSERT INTO resource SELECT fleet, resource, 'extra', version, revision, created_at, updated_at, spec, schema FROM resource`,
      "4: the state's backend extra is in no revision",
    ],
  ])('finds what was changed beside the log: %s', async (sql, problem) => {
    const store = await fill()
    await tamper(sql)
    expect(await problemsOf(store)).toEqual([problem])
  })

  it('stops where it is told to', async () => {
    const store = await fill()
    const seen: number[] = []
    await store.readWhole(({ revision }) => seen.push(revision) < 2)
    expect(seen).toEqual([1, 2])
  })
})

describe('checkpoints', () => {
  it('are kept once for a revision, and never changed', async () => {
    const store = await fill()
    const at = '2026-01-01T00:00:00.000Z'
    await store.keepCheckpoint({ revision: 2, at, note: 'first' })
    await store.keepCheckpoint({ revision: 2, at, note: 'second' })
    await store.keepCheckpoint({ revision: 4, at, note: 'third' })
    expect(await store.checkpoints(10)).toEqual([
      { revision: 4, at, note: 'third' },
      { revision: 2, at, note: 'first' },
    ])
    expect(await store.checkpoints(1)).toHaveLength(1)
    await expect(harness.sql(`UPDATE checkpoint SET note = 'x'`)).rejects.toThrow(/append-only/)
    await expect(harness.sql('TRUNCATE checkpoint')).rejects.toThrow(/append-only/)
  })
})

describe('denials', () => {
  const denial = (nth: number, at = '2026-01-01T00:00:00.000Z') => ({
    ...{ at, actor: null, role: null, address: '127.0.0.1', method: 'POST' },
    ...{ path: '/admin/v1/backends', status: 401, code: 'unauthenticated', requestId: `r${nth}` },
  })

  it('are read newest first, page by page', async () => {
    const store = await harness.open()
    await store.recordDenials([])
    await store.recordDenials([1, 2, 3].map((nth) => denial(nth)))
    const first = await store.denials({ before: null, limit: 2 })
    expect(first.map(({ requestId }) => requestId)).toEqual(['r3', 'r2'])
    const rest = await store.denials({ before: first[1]?.id ?? 0, limit: 2 })
    expect(rest).toEqual([{ ...denial(1), id: expect.any(Number) }])
  })

  it('go after ninety days', async () => {
    const store = await harness.open()
    await store.recordDenials([denial(1)])
    await store.recordDenials([denial(2, '2026-03-31T00:00:00.000Z')])
    expect(await store.denials({ before: null, limit: 9 })).toHaveLength(2)
    await store.recordDenials([denial(3, '2026-04-02T00:00:00.000Z')])
    const kept = await store.denials({ before: null, limit: 9 })
    expect(kept.map(({ requestId }) => requestId)).toEqual(['r3', 'r2'])
  })

  it('are kept as long as the settings say, from the next one on', async () => {
    const store = await harness.open()
    const settings = (denialsKeptDays: number): WriteRequest => ({
      ...change(() => []),
      decide: (now) => {
        const spec = {
          clientAuth: 'permissive',
          implicitPolicy: 'default',
          denialsKeptDays,
          network: DEFAULT_SETTINGS.network,
        } as const
        const version = (now.settings.get('default')?.version ?? 0) + 1
        const type = version === 1 ? 'settings.created' : 'settings.updated'
        return ok([{ type, resource: 'settings', id: 'default', version, spec }])
      },
    })
    await store.recordDenials([denial(1)])
    await store.write(settings(365))
    await store.recordDenials([denial(2, '2026-06-01T00:00:00.000Z')])
    expect(await store.denials({ before: null, limit: 9 })).toHaveLength(2)
    await store.write(settings(1))
    await store.recordDenials([denial(3, '2026-06-01T12:00:00.000Z')])
    const kept = await store.denials({ before: null, limit: 9 })
    expect(kept.map(({ requestId }) => requestId)).toEqual(['r3', 'r2'])
  })
})
