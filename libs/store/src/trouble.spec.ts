import { systemClock } from '@signalbox/host'
import { eventually, type ManualClock, manualClock } from '@signalbox/testing'
import { openStore } from './open-store.ts'
import { DatabaseUnavailable, type Store } from './store.ts'
import { createHarness, put } from './test-harness.ts'
import { openWire, type Wire } from './wire-harness.ts'

const harness = createHarness()
let wire: Wire
beforeEach(async () => {
  wire = await openWire(harness.url())
})
afterEach(() => wire.close())

/** Every way to ask; each has to say that the database is away. */
const asks = (store: Store): readonly [string, () => Promise<unknown>][] => [
  ['write', () => store.write(put('b2', 'http://a'))],
  ['head', () => store.head()],
  ['snapshot', () => store.snapshot()],
  ['snapshot as of', () => store.snapshot(1)],
  ['revisionAt', () => store.revisionAt(new Date(0))],
  ['resource', () => store.resource('backend', 'b1')],
  ['revisions', () => store.revisions({ limit: 1 })],
  ['revision', () => store.revision(1)],
  ['messagesAfter', () => store.messagesAfter(0, 1)],
]

describe('a database that cannot be reached', () => {
  it('is said at the start', async () => {
    wire.cut()
    await expect(harness.open({ url: wire.url })).rejects.toBeInstanceOf(DatabaseUnavailable)
  })

  it('is said by every question, and all work again when it is back', async () => {
    const store = await harness.open({ url: wire.url })
    await store.write(put('b1', 'http://a'))
    expect(await store.alive()).toBe(true)
    wire.cut()
    for (const [name, ask] of asks(store)) {
      const outcome = await ask().then(
        () => 'an answer',
        (error: unknown) => error,
      )
      expect([name, outcome]).toEqual([name, expect.any(DatabaseUnavailable)])
    }
    expect(await store.alive()).toBe(false)
    wire.mend()
    expect(await store.alive()).toBe(true)
    for (const [name, ask] of asks(store)) expect([name, await ask()]).not.toEqual([name, null])
    expect((await store.head()).revision).toBe(2)
  })

  it('that went silent is noticed by alive() in time', async () => {
    const clock: ManualClock = manualClock()
    const store = await harness.open({ url: wire.url, clock })
    await store.write(put('b1', 'http://a'))
    wire.silence()
    const timers = clock.pending()
    const alive = store.alive()
    await eventually(() => clock.pending() > timers)
    clock.advance(1_000)
    expect(await alive).toBe(false)
    wire.mend()
  })
})

describe('a database that went silent', () => {
  it('does not keep the store from being closed', async () => {
    const clock = manualClock()
    const store = await harness.open({ url: wire.url, clock })
    await store.write(put('b1', 'http://a'))
    wire.silence()
    const timers = clock.pending()
    const closing = store.close()
    await eventually(() => clock.pending() > timers)
    clock.advance(2_000)
    await closing
    expect(clock.pending()).toBe(0)
    wire.mend()
  })
})

describe('a connection that is lost', () => {
  it('during the commit leaves the outcome open; the store looks before it goes on', async () => {
    const store = await harness.open({ url: wire.url })
    await store.write(put('b1', 'http://a'))
    wire.cutAfter('COMMIT')
    const writing = store.write(put('b2', 'http://a'))
    await expect(writing).rejects.toThrow(/outcome is unknown/)
    await expect(writing).rejects.toBeInstanceOf(DatabaseUnavailable)
    wire.mend()
    const next = await store.write(put('b3', 'http://a'))
    expect(next).toMatchObject({ kind: 'committed', revision: 3 })
    expect([...((await store.snapshot())?.backends.keys() ?? [])]).toEqual(['b1', 'b2', 'b3'])
  })

  it('before the commit leaves nothing', async () => {
    const store = await harness.open({ url: wire.url })
    wire.cutAfter('append_revision')
    const writing = store.write(put('b1', 'http://a'))
    await expect(writing).rejects.toBeInstanceOf(DatabaseUnavailable)
    await expect(writing).rejects.not.toThrow(/outcome is unknown/)
    wire.mend()
    expect(await store.write(put('b2', 'http://a'))).toMatchObject({ revision: 1 })
  })

  it('by the server in the middle of a question is no bug', async () => {
    const store = await harness.open()
    await store.resource('backend', 'b1')
    await harness.sql(
      `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    await eventually(async () => (await store.resource('backend', 'b1')) === null)
    expect(await store.write(put('b1', 'http://a'))).toMatchObject({ revision: 1 })
  })
})

describe('the lock on the log', () => {
  it('is not waited for without end', async () => {
    const store = await harness.open()
    const holder = harness.sql('BEGIN; SELECT FROM log_head FOR UPDATE; SELECT pg_sleep(60)')
    const ended = expect(holder).rejects.toThrow(/terminating/)
    await eventually(async () => (await harness.sql(SLEEPERS)).length === 1)
    await expect(store.write(put('b1', 'http://a'))).rejects.toBeInstanceOf(DatabaseUnavailable)
    await harness.sql(`SELECT pg_terminate_backend(pid, 1000) FROM (${SLEEPERS}) AS s`)
    await ended
    expect(await store.write(put('b1', 'http://a'))).toMatchObject({ revision: 1 })
  })
})

const SLEEPERS = `SELECT pid FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event = 'PgSleep'`

describe('onAppend', () => {
  it('hears what another instance appends, but not another fleet', async () => {
    const heard: string[] = []
    const one = await harness.open()
    for (const fleet of ['default', 'other']) {
      const store = await harness.open({ fleet })
      store.onAppend(() => heard.push(fleet))
      // It says once that it listens: from then on only appends are heard.
      await eventually(() => heard.includes(fleet))
    }
    heard.length = 0
    await one.write(put('b1', 'http://a'))
    await eventually(() => heard.includes('default'))
    // Notifications arrive in the order of commits: its own comes after those it must not hear.
    await harness.sql(`SELECT pg_notify('signalbox_revision', 'other:1')`)
    await eventually(() => heard.includes('other'))
    expect(heard).toEqual(['default', 'other'])
  })

  it('is called when the database is back, as something may have been missed', async () => {
    const store = await harness.open({ url: wire.url, clock: systemClock })
    let heard = 0
    store.onAppend(() => heard++)
    await eventually(() => heard > 0)
    wire.cut()
    await eventually(async () => (await harness.sql(LISTENERS)).length === 0)
    heard = 0
    const elsewhere = await openStore({ ...harness.options(), fleet: 'default' })
    await elsewhere.write(put('b1', 'http://a'))
    await elsewhere.close()
    expect(heard).toBe(0)
    wire.mend()
    await eventually(() => heard > 0)
  })

  it('waits longer after each attempt that fails', async () => {
    const clock = manualClock()
    const store = await harness.open({ url: wire.url, clock })
    await eventually(async () => (await harness.sql(LISTENERS)).length === 1)
    wire.cut()
    await eventually(() => clock.pending() === 1)
    clock.advance(250)
    await eventually(() => clock.pending() === 1)
    clock.advance(499)
    expect(clock.pending()).toBe(1)
    clock.advance(1)
    expect(clock.pending()).toBe(0)
    await eventually(() => clock.pending() === 1)
    await store.close()
    expect(clock.pending()).toBe(0)
  })
})

const LISTENERS = `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
  AND application_name = 'signalbox-listen' AND state = 'idle' AND query LIKE 'LISTEN%'`
