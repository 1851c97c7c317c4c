import { silentLog } from '@signalbox/host'
import { err, type Heartbeat, type Nack, ok, type Result, type Snapshot } from '@signalbox/model'
import { manualClock } from '@signalbox/testing'
import { type DiskCopy, noDisk } from './disk-copy.ts'
import { type Changed } from './follower-fold.ts'
import { follow, type FollowOptions, HEARTBEAT_MS } from './follow.ts'
import { createHub } from './in-process/hub.ts'
import { signManifest } from './manifest.ts'
import { chunked, sign, trusts } from './snapshot.harness.ts'
import { TestLog } from './test-log.harness.ts'

/** A disk that finishes a save when the test says so. */
class HeldDisk implements DiskCopy {
  readonly saves: { readonly revision: number; finish(result?: Result<void, string>): void }[] = []

  constructor(readonly stored: Snapshot | null = null) {}

  load() {
    return Promise.resolve({ snapshot: this.stored, problems: [] })
  }

  save({ head }: Snapshot): Promise<Result<void, string>> {
    return new Promise((resolve) => {
      this.saves.push({
        revision: head.revision,
        finish: (result = ok(undefined)) => resolve(result),
      })
    })
  }
}

/** A disk that has the log's beginning, and saves at once. */
const emptyLog = {
  ...noDisk,
  load: () => Promise.resolve({ snapshot: new TestLog().state, problems: [] }),
}

/** Everything that can settle in process has settled. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

async function fleet(disk: DiskCopy = noDisk) {
  const clock = manualClock()
  const hub = createHub({ clock })
  const publisher = hub.connect()
  const bus = hub.connect()
  const log = new TestLog()
  await publisher.openStream(log)
  const beats: Heartbeat[] = []
  publisher.onHeartbeat((beat) => beats.push(beat))
  const served: { revision: number; changed: Changed }[] = []
  const nacks: Nack[] = []
  const errors: string[] = []
  const options: FollowOptions = {
    bus,
    disk,
    trusts,
    clock,
    random: () => 0.5,
    log: { ...silentLog, error: (_fields, message) => errors.push(message) },
    identity: { id: 'p1', role: 'proxy', labels: { zone: 'a' }, version: 'dev' },
    onSnapshot: ({ head }, changed) => {
      served.push({ revision: head.revision, changed })
      return [...nacks]
    },
    load: () => ({ requestsTotal: 7, inFlight: 1, rssBytes: 2 }),
  }
  const publish = async (count = 1) => {
    log.appendMany(count)
    for (const message of log.messages.slice(-count)) await publisher.publishRevision(message)
    publisher.publishBeacon(log.head)
    await settled()
  }
  return { clock, hub, publisher, bus, log, beats, served, nacks, errors, options, publish }
}

describe('follow', () => {
  it('serves each revision with what it changed, and becomes live', async () => {
    const { options, publish, served, clock } = await fleet()
    const following = follow(options)
    await settled()
    expect(following.state()).toMatchObject({ state: 'syncing', configured: false, active: 0 })
    expect(following.state().reasons).toEqual(['no-configuration'])
    clock.advance(1_000)
    await publish()
    clock.advance(10_000)
    await settled()
    await publish()
    expect(served).toEqual([
      { revision: 1, changed: [{ resource: 'backend', id: 'b0' }] },
      { revision: 2, changed: [{ resource: 'backend', id: 'b1' }] },
    ])
    expect(following.state()).toMatchObject({ state: 'live', active: 2, received: 2, behind: 0 })
    expect(following.state().reasons).toEqual([])
    await following.stop()
    expect(clock.pending()).toBe(0)
  })

  it('serves at once and acks only what is durable, writing only the newest', async () => {
    const disk = new HeldDisk(new TestLog().state)
    const { options, publish, served, beats } = await fleet(disk)
    const following = follow(options)
    await settled()
    await publish()
    await publish()
    await publish()
    expect(served.map(({ revision }) => revision)).toEqual([0, 1, 2, 3])
    expect(disk.saves.map(({ revision }) => revision)).toEqual([1])
    expect(following.state()).toMatchObject({ received: 0, active: 3 })
    expect(Math.max(...beats.map(({ active, received }) => Math.max(active, received)))).toBe(0)
    disk.saves[0]?.finish()
    await settled()
    expect(disk.saves.map(({ revision }) => revision)).toEqual([1, 3])
    expect(beats.at(-1)).toMatchObject({ received: 1, active: 1 })
    disk.saves[1]?.finish()
    await settled()
    expect(beats.at(-1)).toMatchObject({ received: 3, active: 3, state: 'live' })
    await following.stop()
  })

  it('serves on without an ack while the disk is full, says why, tries again', async () => {
    const disk = new HeldDisk(new TestLog().state)
    const { options, publish, beats, errors, clock } = await fleet(disk)
    const following = follow(options)
    await settled()
    await publish()
    disk.saves[0]?.finish(err('ENOSPC'))
    await settled()
    expect(following.state()).toMatchObject({ active: 1, received: 0, reasons: ['disk: ENOSPC'] })
    clock.advance(60_000)
    expect(disk.saves.length).toBe(2)
    disk.saves[1]?.finish(err('ENOSPC'))
    await settled()
    clock.advance(60_000)
    disk.saves[2]?.finish()
    await settled()
    expect(errors).toEqual(['the disk copy cannot be written'])
    expect(following.state().reasons).not.toContain('disk: ENOSPC')
    expect(beats.at(-1)).toMatchObject({ received: 1, active: 1 })
    await following.stop()
    expect(clock.pending()).toBe(0)
  })

  it('starts from disk while the bus is down, degrades, and catches up later', async () => {
    const stored = new TestLog().appendMany(2)
    const { options, publish, served, bus, clock } = await fleet(new HeldDisk(stored.state))
    bus.setConnected(false)
    const following = follow(options)
    await settled()
    expect(served).toEqual([{ revision: 2, changed: 'all' }])
    clock.advance(10_000)
    await settled()
    expect(following.state()).toMatchObject({ state: 'degraded', received: 2, active: 2 })
    expect(following.state().reasons).toEqual(['bus-disconnected', 'no-beacon'])
    await publish(5)
    bus.setConnected(true)
    await settled()
    expect(served.map(({ revision }) => revision)).toEqual([2, 5])
    const stopped = following.stop()
    clock.advance(60_000)
    await stopped
  })

  it('logs a refused resource once, and names it in the heartbeat until it is well', async () => {
    const { options, publish, beats, nacks, errors } = await fleet(emptyLog)
    const following = follow(options)
    await settled()
    nacks.push({ revision: 1, resource: 'backend', id: 'b', code: 'c', message: 'm' })
    await publish()
    await publish()
    expect(errors).toEqual(['a resource keeps its last good version'])
    expect(beats.at(-1)?.nacks).toEqual(nacks)
    nacks.length = 0
    await publish()
    expect(beats.at(-1)?.nacks).toEqual([])
    expect(following.state().nacks).toEqual([])
    await following.stop()
  })

  it('tells what was refused after the snapshot was taken, before the ack of it', async () => {
    const disk = new HeldDisk(new TestLog().state)
    const { options, publish, beats } = await fleet(disk)
    const following = follow(options)
    await settled()
    await publish()
    const late = [{ revision: 1, resource: 'backend', id: 'b', code: 'c', message: 'm' }]
    following.refused(late)
    await settled()
    expect(beats.at(-1)).toMatchObject({ received: 0, nacks: late })
    const before = beats.length
    following.refused(late)
    await settled()
    expect(beats.length).toBe(before)
    disk.saves[0]?.finish()
    await settled()
    expect(beats.at(-1)).toMatchObject({ received: 1, nacks: late })
    await following.stop()
  })

  it('sends a heartbeat periodically, when asked, when reconnected, when it drains', async () => {
    const { options, beats, bus, publisher, clock, publish } = await fleet()
    const following = follow(options)
    clock.advance(1_000)
    await settled()
    await publish()
    clock.advance(2_000)
    await settled()
    const sent = async (act: () => void) => {
      await settled()
      const before = beats.length
      act()
      await settled()
      return beats.length - before
    }
    expect(await sent(() => {})).toBe(0)
    expect(await sent(() => publisher.askAround())).toBe(1)
    expect(await sent(() => following.drain())).toBe(1)
    expect(beats.at(-1)).toMatchObject({
      id: 'p1',
      role: 'proxy',
      labels: { zone: 'a' },
      version: 'dev',
      lineage: 'lineage-1',
      epoch: 1,
      received: 1,
      active: 1,
      state: 'draining',
      load: { requestsTotal: 7, inFlight: 1, rssBytes: 2 },
    })
    expect(await sent(() => clock.advance(HEARTBEAT_MS))).toBe(1)
    bus.setConnected(false)
    expect(await sent(() => bus.setConnected(true))).toBe(1)
    await following.stop()
    expect(await sent(() => clock.advance(HEARTBEAT_MS))).toBe(0)
  })

  it('calls onChange after each change and not otherwise', async () => {
    const { options, publish, publisher } = await fleet(emptyLog)
    const following = follow(options)
    await settled()
    const states: string[] = []
    const unsubscribe = following.onChange(() => {
      const { state, active, received } = following.state()
      states.push(`${state} ${active}/${received}`)
    })
    await publish()
    await settled()
    expect(states).toEqual(['catching-up 1/0', 'catching-up 1/1', 'live 1/1'])
    publisher.askAround()
    await settled()
    expect(states.length).toBe(3)
    unsubscribe()
    await publish()
    expect(states.length).toBe(3)
    await following.stop()
  })

  it('does not use a snapshot that nobody of the fleet has signed, or that lacks a chunk', async () => {
    const { options, publisher, log, served, clock, publish, errors } = await fleet()
    await publish(3)
    const warnings: unknown[] = []
    const warned = { ...options.log, warn: (fields: object) => void warnings.push(fields) }
    const { manifest, chunks } = await chunked(log.at(2))
    const signed = signManifest(manifest, sign)
    await publisher.publishManifest({ ...signed, signature: 'AAAA' }, null)
    const following = follow({ ...options, log: warned })
    await settled()
    await publisher.publishManifest(signed, { ...signed, signature: '' })
    const second = follow({ ...options, log: warned })
    await settled()
    expect(served.map(({ revision }) => revision)).toEqual([3, 3])
    const lacks = `chunk ${chunks[0]?.hash.slice(0, 12)} (backend b0): the bus does not have it`
    expect(warnings).toEqual([
      { problem: 'it is not signed with a key of this fleet' },
      { problem: lacks },
    ])
    expect(errors).toEqual([])
    await following.stop()
    await second.stop()
    expect(clock.pending()).toBe(0)
  })

  it('waits longer and longer while nobody answers, and never stops asking', async () => {
    const { options, bus, clock } = await fleet()
    let asked = 0
    bus.setConnected(false)
    const original = bus.latestManifest.bind(bus)
    bus.latestManifest = () => {
      asked += 1
      return original()
    }
    const following = follow(options)
    const counts: number[] = []
    for (let minute = 0; minute < 3; minute++) {
      for (let s = 0; s < 60; s++) {
        clock.advance(1_000)
        await settled()
      }
      counts.push(asked)
    }
    const [first = 0, second = 0, third = 0] = counts
    expect(first).toBeGreaterThan(second - first)
    expect(third).toBeGreaterThan(second)
    await following.stop()
  })
})
