import { createHash } from 'node:crypto'
import { createHarness, intent, put } from './test-harness.ts'
import { chainHash, GENESIS_HASH, refuse } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import pg from 'pg'
import { openStore } from './open-store.ts'
import { createWriteQueue } from './write-queue.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const harness = createHarness()

describe('a write', () => {
  it('makes one revision with its events, and the state shows it', async () => {
    const store = await harness.open()
    const outcome = await store.write(put('b1', 'http://127.0.0.1:1'))
    expect(outcome).toMatchObject({ kind: 'committed', revision: 1 })
    expect((await store.resource('backend', 'b1'))?.spec.url).toBe('http://127.0.0.1:1')
    expect((await store.snapshot())?.backends.get('b1')?.revision).toBe(1)
    expect(await store.head()).toMatchObject({ revision: 1, epoch: 1 })
  })

  it('that is refused writes nothing', async () => {
    const store = await harness.open()
    const refusal = refuse('not_found', 'no')
    const outcome = await store.write({
      ...put('b1', 'http://a'),
      decide: () => ({ ok: false, error: refusal }),
    })
    expect(outcome).toEqual({ kind: 'refused', refusal })
    expect((await store.head()).revision).toBe(0)
  })

  it('that changes nothing makes no revision', async () => {
    const store = await harness.open()
    const outcome = await store.write({
      ...put('b1', 'http://a'),
      decide: () => ({ ok: true, value: [] }),
    })
    expect(outcome).toMatchObject({ kind: 'unchanged', revision: 0 })
    expect((await store.head()).revision).toBe(0)
  })

  it('as a dry run shows what it would do, consumes no number and wakes nobody', async () => {
    const store = await harness.open()
    let woken = 0
    store.onAppend(() => woken++)
    const outcome = await store.write({ ...put('b1', 'http://a'), dryRun: true })
    expect(outcome).toMatchObject({ kind: 'unchanged', answer: { body: '1' } })
    expect((await store.head()).revision).toBe(0)
    expect(await store.resource('backend', 'b1')).toBeNull()
    woken = 0
    expect(await store.write(put('b1', 'http://a'))).toMatchObject({ revision: 1 })
    expect(woken).toBeGreaterThan(0)
  })

  it('keeps counting versions across delete and re-create', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    await store.write(put('b1', null))
    await store.write(put('b1', 'http://b'))
    expect((await store.resource('backend', 'b1'))?.version).toBe(3)
  })
})

describe('numbers', () => {
  it('are dense under 40 concurrent writers on two instances, and the chain holds', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    const writers = Array.from({ length: 40 }, (_, i) =>
      (i % 2 === 0 ? one : two).write(put(`b${i}`, `http://h${i}`)),
    )
    const revisions = (await Promise.all(writers)).map((o) =>
      o.kind === 'committed' ? o.revision : 0,
    )
    expect(revisions.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
    const messages = await one.messagesAfter(0, 100)
    let previousHash = GENESIS_HASH
    for (const message of messages) {
      expect(message.previousHash).toBe(previousHash)
      expect(chainHash(message, sha256)).toBe(message.hash)
      previousHash = message.hash
    }
    expect(messages).toHaveLength(40)
    expect((await two.snapshot())?.backends.size).toBe(40)
  })
})

describe('the log', () => {
  it('refuses UPDATE, DELETE and TRUNCATE', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    const client = new pg.Client(harness.url())
    await client.connect()
    for (const sql of [
      `UPDATE revision SET actor = 'x'`,
      'DELETE FROM revision',
      'TRUNCATE revision CASCADE',
      `UPDATE event SET id = 'x'`,
      'DELETE FROM event',
      'TRUNCATE event',
    ]) {
      await expect(client.query(sql)).rejects.toThrow(/append-only/)
    }
    await expect(
      client.query('SELECT append_revision($1, $2, $3)', [
        'default',
        Buffer.from('{"revision":2,"epoch":1,"events":[]}'),
        Buffer.alloc(32),
      ]),
    ).rejects.toThrow(/hash of revision 2/)
    await client.end()
  })

  it('keeps text and numbers to the byte', async () => {
    const store = await harness.open()
    const reason = 'naïve – 日本語 😀 \u0001 "quoted" \\ 1e2'
    await store.write({ ...put('b1', 'http://a'), intent: { ...intent, reason } })
    expect((await store.revision(1))?.body.reason).toBe(reason)
    const [message] = await store.messagesAfter(0, 1)
    if (!message) throw new Error('no message')
    expect(chainHash(message, sha256)).toBe(message.hash)
  })
})

describe('an Idempotency-Key', () => {
  const keyed = (key: string, requestHash: string) => ({
    ...put('b1', 'http://a'),
    idempotency: { key, requestHash },
  })

  it('gives the same answer again, and writes once', async () => {
    const store = await harness.open()
    const first = await store.write(keyed('k', 'h'))
    const again = await store.write(keyed('k', 'h'))
    if (first.kind !== 'committed' || again.kind !== 'replayed') throw new Error(again.kind)
    expect(again.answer).toEqual(first.answer)
    expect((await store.head()).revision).toBe(1)
  })

  it('is refused with another request', async () => {
    const store = await harness.open()
    await store.write(keyed('k', 'h'))
    const other = await store.write(keyed('k', 'other'))
    expect(other).toMatchObject({ kind: 'refused', refusal: { code: 'idempotency_mismatch' } })
  })

  it('of twins that race writes once', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    const kinds = (await Promise.all([one.write(keyed('k', 'h')), two.write(keyed('k', 'h'))])).map(
      (o) => o.kind,
    )
    expect(kinds.sort()).toEqual(['committed', 'replayed'])
  })
})

describe('reads', () => {
  it('as of a revision show what was then, and null beyond the head', async () => {
    const store = await harness.open()
    const then = []
    for (const url of ['http://a', 'http://b', null, 'http://c']) {
      await store.write(put('b1', url))
      then.push(await store.snapshot())
    }
    for (const [index, snapshot] of then.entries()) {
      expect(await store.snapshot(index + 1)).toEqual(snapshot)
    }
    expect((await store.snapshot(0))?.backends.size).toBe(0)
    expect(await store.snapshot(5)).toBeNull()
  })

  it('of revisions tell who and why, newest first, with before and after', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    await store.write(put('b1', 'http://b'))
    await store.write(put('b2', 'http://c'))
    const [newest] = await store.revisions({ limit: 1 })
    expect(newest?.body).toMatchObject({ revision: 3, actor: 'tester', reason: 'why' })
    const older = await store.revisions({ limit: 10, id: 'b1' })
    expect(older.map((r) => r.body.revision)).toEqual([2, 1])
    expect(older[0]?.changes[0]).toMatchObject({
      op: 'updated',
      before: { url: 'http://a' },
      after: { url: 'http://b' },
    })
    expect(await store.revision(9)).toBeNull()
    expect(await store.revisions({ limit: 10, before: 2, actor: 'nobody' })).toEqual([])
    expect((await store.revisions({ limit: 10, before: 2 })).map((r) => r.body.revision)).toEqual([
      1,
    ])
  })

  it('by time find the revision of then', async () => {
    const store = await harness.open()
    await store.write(put('b1', 'http://a'))
    harness.clock.advance(60_000)
    await store.write(put('b1', 'http://b'))
    expect(await store.revisionAt(new Date(harness.clock.nowMs() - 1))).toBe(1)
    expect(await store.revisionAt(new Date(0))).toBe(0)
  })
})

describe('NOTIFY', () => {
  it('wakes the other instance, and not one of another fleet', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    const other = await harness.open('other')
    let heard = 0
    let wrong = 0
    await eventually(async () => {
      two.onAppend(() => heard++)
      other.onAppend(() => wrong++)
      return true
    })
    await eventually(async () => {
      await one.write(put(`b${Math.floor(heard)}`, 'http://a'))
      return heard > 0
    })
    const before = wrong
    await one.write(put('last', 'http://a'))
    await eventually(() => heard > 1)
    expect(wrong).toBe(before)
  })
})

describe('the write queue', () => {
  it('sheds what is over its limit and goes on afterwards', async () => {
    const queue = createWriteQueue(1)
    let finish = () => {}
    const first = queue.enter(() => new Promise<void>((resolve) => (finish = resolve)))
    expect(queue.enter(async () => {})).toBeUndefined()
    await Promise.resolve()
    finish()
    await first
    expect(await queue.enter(async () => 'again')).toBe('again')
  })
})

describe('a database that is not there', () => {
  it('is said at the start', async () => {
    const url = 'postgresql://signalbox:x@127.0.0.1:1/none'
    const opening = openStore({ ...harness.options(), url })
    await expect(opening).rejects.toThrow(/database does not answer/)
  })
})
