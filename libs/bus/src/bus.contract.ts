import { randomBytes } from 'node:crypto'
import { type Head, type Heartbeat, type StatusTable } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Bus, BusUnavailable, REVISION_BYTES_MAX, REVISIONS_PER_FETCH } from './bus.ts'
import { HEARTBEAT, STATUSES } from './bus-messages.harness.ts'
import { chunked, publishSnapshot } from './snapshot.harness.ts'
import { describeSnapshots } from './snapshots.contract.ts'
import { TestLog } from './test-log.harness.ts'
import { describeShared } from './shared.contract.ts'
import { describeUsage } from './usage.contract.ts'

/** One broker, or what stands for it, and what a test may do to it. */
export interface BusHarness {
  /** A client that is connected. */
  connect(): Promise<Bus>
  /** Cuts everybody off; answers how to end that. `wipe` loses what was stored meanwhile. */
  outage(options: { readonly wipe: boolean }): Promise<() => Promise<void>>
  /** Keeps only this many revisions from now on. */
  keepLast(count: number): Promise<void>
  stop(): Promise<void>
}

const KEPT = 220

/** The contract of Bus: one suite for every implementation. */
export function describeBus(name: string, start: () => Promise<BusHarness>): void {
  describe(`${name}: Bus contract`, () => describeUsage(start))
  describe(`${name}: Bus contract`, () => describeShared(start))
  describe(`${name}: Bus contract`, () => {
    let harness: BusHarness
    let publisher: Bus
    let follower: Bus

    beforeEach(async () => {
      harness = await start()
      publisher = await harness.connect()
      follower = await harness.connect()
    })

    afterEach(async () => {
      await publisher.close()
      await follower.close()
      await harness.stop()
    })

    describe('publishing', () => {
      it('stores revisions in order and answers where the stream ends', async () => {
        const log = new TestLog()
        expect(await publisher.openStream(log)).toEqual(log.head)
        log.appendMany(3)
        await publishAll(publisher, log)
        expect(await publisher.openStream(log)).toEqual(log.head)
      })

      it('carries data keys beside what is hashed', async () => {
        const log = new TestLog().appendMany(2)
        const message = { ...log.message(1), dataKeys: { k1: 'key.AA+/==', k2: 'key.BB' } }
        await publisher.openStream(log)
        expect(await publisher.publishRevision(message)).toEqual({ kind: 'stored' })
        expect(await publisher.publishRevision(log.message(2))).toEqual({ kind: 'stored' })
        expect(await messagesOf(follower, 1)).toEqual([message, log.message(2)])
      })

      it('refuses a revision twice, one out of order, one of a log that is not open', async () => {
        const log = new TestLog().appendMany(3)
        expect(await publisher.publishRevision(log.message(1))).toEqual({ kind: 'conflict' })
        await publisher.openStream(log)
        expect(await publisher.publishRevision(log.message(2))).toEqual({ kind: 'conflict' })
        expect(await publisher.publishRevision(log.message(1))).toEqual({ kind: 'stored' })
        expect(await publisher.publishRevision(log.message(1))).toEqual({ kind: 'conflict' })
        expect(await publisher.publishRevision(log.message(3))).toEqual({ kind: 'conflict' })
        const other = new TestLog('lineage-2').appendMany(2)
        expect(await publisher.publishRevision(other.message(2))).toEqual({ kind: 'conflict' })
        expect(await messagesOf(follower, 1)).toEqual([log.message(1)])
      })

      it('lets two publishers race: everything is stored once, in order', async () => {
        const log = new TestLog().appendMany(200)
        const outcomes = await Promise.all([race(publisher, log), race(follower, log)])
        expect(outcomes[0].stored + outcomes[1].stored).toBe(200)
        expect(await messagesOf(follower, 1)).toEqual(log.messages)
      })

      it('carries a body of megabytes, whole', async () => {
        const log = new TestLog()
        await publisher.openStream(log)
        const large = { ...log.append(), body: 'a large body '.repeat(400_000) }
        const heard = new Promise((resolve) => follower.onRevision(resolve))
        await ready(follower, publisher)
        expect(await publisher.publishRevision(large)).toEqual({ kind: 'stored' })
        expect([await heard, await messagesOf(follower, 1)]).toEqual([large, [large]])
      })

      it('throws for a body that must never have got here', async () => {
        const log = new TestLog()
        await publisher.openStream(log)
        const noise = randomBytes(REVISION_BYTES_MAX).toString('hex')
        const message = { ...log.append(), body: noise + noise }
        const error = await publisher.publishRevision(message).catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(Error)
        expect(error).not.toBeInstanceOf(BusUnavailable)
        expect(await messagesOf(follower, 1)).toEqual([])
      })
    })

    describe('whose stream it is', () => {
      it('drops a stream of another lineage, with its snapshot', async () => {
        const old = new TestLog('lineage-1').appendMany(5)
        await publisher.openStream(old)
        await publishAll(publisher, old)
        await publishSnapshot(publisher, old.state)
        const next = new TestLog('lineage-2').appendMany(2)
        expect((await follower.openStream(next)).revision).toBe(0)
        expect(await follower.latestManifest()).toBeNull()
        await publishAll(follower, next)
        expect(await messagesOf(publisher, 1)).toEqual(next.messages)
      })

      it('drops a snapshot whose stream is gone: it holds the keys of another log', async () => {
        const old = new TestLog('lineage-1').appendMany(5)
        await publishSnapshot(publisher, old.state)
        const { chunks } = await chunked(old.state)
        await publisher.openStream(new TestLog('lineage-2'))
        expect(await follower.latestManifest()).toBeNull()
        for (const { hash } of chunks) expect(await follower.snapshotChunk(hash)).toBeNull()
      })

      it('drops a stream of an older epoch and refuses its publisher from then on', async () => {
        const old = new TestLog().appendMany(5)
        await publisher.openStream(old)
        await publishAll(publisher, old)
        const next = old.failOver(3).appendMany(1)
        expect((await follower.openStream(next)).revision).toBe(0)
        await publishAll(follower, next)
        await expect(publisher.openStream(old)).rejects.toBeInstanceOf(BusUnavailable)
        expect(await messagesOf(publisher, 1)).toEqual(next.messages)
      })

      it('keeps a stream of the same log, and drops it when it is to be rebuilt', async () => {
        const log = new TestLog().appendMany(4)
        await publisher.openStream(log)
        await publishAll(publisher, log)
        await publishSnapshot(publisher, log.state)
        expect(await follower.openStream(log)).toEqual(log.head)
        const { lineage, epoch } = log
        expect((await follower.openStream({ lineage, epoch, rebuild: true })).revision).toBe(0)
        expect(await follower.latestManifest()).toBeNull()
        await publishAll(follower, log)
        expect(await follower.openStream(log)).toEqual(log.head)
      })

      it('lets racing publishers make one stream', async () => {
        const log = new TestLog()
        const ends = await Promise.all([publisher.openStream(log), follower.openStream(log)])
        expect(ends.map(({ revision }) => revision)).toEqual([0, 0])
        log.append()
        const outcomes = await Promise.all(
          [publisher, follower].map((bus) => bus.publishRevision(log.message(1))),
        )
        expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['conflict', 'stored'])
      })
    })

    describe('fetching', () => {
      it('answers a range, fewer at the end, none after it and none of no stream', async () => {
        expect(await follower.revisions({ from: 1, to: 5 })).toEqual({
          kind: 'found',
          messages: [],
        })
        const log = new TestLog().appendMany(5)
        await publisher.openStream(log)
        expect(await follower.revisions({ from: 1, to: 5 })).toEqual({
          kind: 'found',
          messages: [],
        })
        await publishAll(publisher, log)
        const fetch = async (from: number, to: number) => {
          const outcome = await follower.revisions({ from, to })
          return outcome.kind === 'found'
            ? outcome.messages.map(({ revision }) => revision)
            : 'gone'
        }
        expect(await fetch(2, 3)).toEqual([2, 3])
        expect(await fetch(4, 9)).toEqual([4, 5])
        expect(await fetch(6, 9)).toEqual([])
        expect(await follower.revisions({ from: 5, to: 5 })).toEqual({
          kind: 'found',
          messages: [log.message(5)],
        })
      })

      it('says gone for what is no longer held, and for nothing else', async () => {
        await harness.keepLast(KEPT)
        const log = new TestLog().appendMany(KEPT + 10)
        await publisher.openStream(log)
        await harness.keepLast(KEPT)
        await publishAll(publisher, log)
        expect(await follower.revisions({ from: 10, to: 20 })).toEqual({ kind: 'gone' })
        expect(await follower.revisions({ from: 11, to: 12 })).toEqual({
          kind: 'found',
          messages: [log.message(11), log.message(12)],
        })
        const all = await follower.revisions({ from: 11, to: 1_000_000 })
        expect(all.kind === 'found' && all.messages.length).toBe(KEPT)
        expect(KEPT).toBeLessThan(REVISIONS_PER_FETCH)
      })
    })

    describe('live', () => {
      it('tells followers of a stored revision, and not of one that is refused', async () => {
        const log = new TestLog().appendMany(3)
        await publisher.openStream(log)
        const heard: number[] = []
        follower.onRevision(({ revision }) => heard.push(revision))
        await ready(follower, publisher)
        await publisher.publishRevision(log.message(1))
        await publisher.publishRevision(log.message(3))
        await publisher.publishRevision(log.message(2))
        await eventually(() => heard.length === 2)
        await settle(publisher, follower)
        expect(heard).toEqual([1, 2])
      })

      it('never calls a listener inside the stack of the caller', async () => {
        const log = new TestLog().appendMany(1)
        await publisher.openStream(log)
        let inside = false
        const calls: boolean[] = []
        publisher.onRevision(() => calls.push(inside))
        publisher.onBeacon(() => calls.push(inside))
        await ready(publisher, publisher)
        inside = true
        const stored = publisher.publishRevision(log.message(1))
        publisher.publishBeacon(log.head)
        inside = false
        await stored
        await eventually(() => calls.length >= 2)
        expect(calls.filter((call) => call)).toEqual([])
      })

      it('carries the head beacon, and nothing to who has unsubscribed', async () => {
        const { head } = new TestLog().appendMany(2)
        const heard: Head[] = []
        const deaf: Head[] = []
        follower.onBeacon((beacon) => beacon.lineage !== READY.lineage && heard.push(beacon))
        const unsubscribe = follower.onBeacon((beacon) => deaf.push(beacon))
        unsubscribe()
        unsubscribe()
        await ready(follower, publisher)
        publisher.publishBeacon(head)
        await eventually(() => heard.length > 0)
        expect(heard).toEqual([head])
        expect(deaf).toEqual([])
      })
    })

    describeSnapshots(() => ({ publisher, follower }))

    describe('return lane', () => {
      it('carries heartbeats, status tables and the question', async () => {
        const beats: Heartbeat[] = []
        const tables: StatusTable[] = []
        let asked = 0
        publisher.onHeartbeat((beat) => beats.push(beat))
        publisher.onStatus((table) => tables.push(table))
        follower.onAsked(() => (asked += 1))
        await ready(publisher, follower)
        await ready(follower, publisher)
        const askedBefore = asked
        follower.sendHeartbeat(HEARTBEAT)
        follower.sendStatus(STATUSES)
        publisher.askAround()
        await eventually(() => beats.length > 0 && tables.length > 0 && asked > askedBefore)
        expect(beats).toEqual([HEARTBEAT])
        expect(tables).toEqual([STATUSES])
      })
    })

    describe('an outage', () => {
      it('is told, refuses requests meanwhile, and ends with everything kept', async () => {
        const log = new TestLog().appendMany(3)
        await publisher.openStream(log)
        await publishAll(publisher, log)
        const told: boolean[] = []
        follower.onConnection((connected) => told.push(connected))
        const heard: number[] = []
        follower.onRevision(({ revision }) => heard.push(revision))
        const end = await harness.outage({ wipe: false })
        await eventually(() => !follower.connected() && !publisher.connected())
        await expect(follower.revisions({ from: 1, to: 3 })).rejects.toBeInstanceOf(BusUnavailable)
        await expect(publisher.openStream(log)).rejects.toBeInstanceOf(BusUnavailable)
        follower.sendHeartbeat(HEARTBEAT)
        await end()
        await eventually(() => follower.connected() && publisher.connected())
        expect(told).toEqual([false, true])
        expect(await publisher.openStream(log)).toEqual(log.head)
        log.appendMany(1)
        await publisher.publishRevision(log.message(4))
        await eventually(() => heard.includes(4))
        expect(await messagesOf(follower, 1)).toEqual(log.messages)
      })

      it('that lost everything is answered by making the stream anew', async () => {
        const log = new TestLog().appendMany(3)
        await publisher.openStream(log)
        await publishAll(publisher, log)
        const end = await harness.outage({ wipe: true })
        await eventually(() => !follower.connected() && !publisher.connected())
        await end()
        await eventually(() => follower.connected() && publisher.connected())
        log.appendMany(1)
        expect(await publisher.publishRevision(log.message(4))).toEqual({ kind: 'conflict' })
        expect(await follower.revisions({ from: 1, to: 3 })).toEqual({
          kind: 'found',
          messages: [],
        })
        expect((await publisher.openStream(log)).revision).toBe(0)
        await publishAll(publisher, log)
        expect(await messagesOf(follower, 1)).toEqual(log.messages)
      })
    })

    it('refuses requests once it is closed', async () => {
      const closed = await harness.connect()
      await closed.close()
      expect(closed.connected()).toBe(false)
      await expect(closed.latestManifest()).rejects.toBeInstanceOf(BusUnavailable)
    })
  })
}

async function publishAll(bus: Bus, log: TestLog): Promise<void> {
  for (const message of log.messages) {
    expect(await bus.publishRevision(message)).toEqual({ kind: 'stored' })
  }
}

async function messagesOf(bus: Bus, from: number) {
  const outcome = await bus.revisions({ from, to: from + REVISIONS_PER_FETCH - 1 })
  return outcome.kind === 'found' ? outcome.messages : outcome.kind
}

/** A publisher as the admin API has it: where the stream ends, then one after the other. */
async function race(bus: Bus, log: TestLog): Promise<{ readonly stored: number }> {
  let stored = 0
  for (;;) {
    let { revision } = await bus.openStream(log)
    if (revision === log.head.revision) return { stored }
    while (revision < log.head.revision) {
      const outcome = await bus.publishRevision(log.message(revision + 1))
      if (outcome.kind === 'conflict') break
      stored += 1
      revision += 1
    }
  }
}

/** Until what `sender` sends arrives at `receiver`, whose subscriptions are then in place. */
async function ready(receiver: Bus, sender: Bus): Promise<void> {
  let arrived = false
  const unsubscribe = receiver.onBeacon(({ lineage }) => (arrived ||= lineage === READY.lineage))
  await eventually(() => {
    sender.publishBeacon(READY)
    return arrived
  })
  unsubscribe()
}

const READY: Head = { lineage: 'ready', epoch: 0, revision: 0, hash: '0'.repeat(64) }

/** What was sent before this has arrived after it: one connection keeps the order. */
async function settle(sender: Bus, receiver: Bus): Promise<void> {
  await ready(receiver, sender)
}
