import { silentLog } from '@signalbox/host'
import {
  type Heartbeat,
  parseSpec,
  type Release,
  type Resource,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import { manualClock } from '@signalbox/testing'
import { noDisk } from './disk-copy.ts'
import { type Changed } from './follower-fold.ts'
import { Activation, RELEASE_HEARTBEAT_MS } from './follower-release.ts'
import { follow, HEARTBEAT_MS } from './follow.ts'
import { createHub } from './in-process/hub.ts'
import { trusts } from './snapshot.harness.ts'
import { TestLog } from './test-log.harness.ts'

const identity = { id: 'p1', role: 'proxy', labels: {}, version: 'dev' } as const
const inCohort = { ...identity, labels: { canary: 'yes' } }
const log = new TestLog().appendMany(9)
const AT = '2026-01-01T00:00:00.000Z'

function released(state: 'open' | 'promoted'): Release {
  const before = log.at(8).backends.get('b2') as Resource
  const spec = parseSpec('release', {
    ...{ state, base: 8, stage: 0, stageAt: AT, actor: 'a', guard: {} },
    stages: [{ labels: { canary: 'yes' }, bake: 1 }],
    changes: [{ resource: 'backend', id: 'b2', ...(state === 'open' ? { before } : {}) }],
  })
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  const times = { createdAt: AT, updatedAt: AT }
  return { id: 'release-9', version: 1, revision: 9, ...times, spec: spec.value }
}

/** The state at a revision, with a release in it. */
function withRelease(revision: number, state: 'open' | 'promoted'): Snapshot {
  const { head, backends } = log.at(revision)
  const release = released(state)
  return snapshotFrom(head, (name): ReadonlyMap<string, Resource> => {
    if (name === 'release') return new Map([[release.id, release]])
    return name === 'backend' ? backends : new Map()
  })
}

const CHANGED: Changed = [{ resource: 'backend', id: 'b1' }]
const weightOf = ({ backends }: Snapshot) => backends.get('b2')?.spec.weight

describe('the active pointer', () => {
  it('is the received one where no release is open, and says what changed', () => {
    const activation = new Activation(identity)
    for (const revision of [7, 8]) {
      const snapshot = log.at(revision)
      const active = activation.take(snapshot, CHANGED)
      expect(active.snapshot).toBe(snapshot)
      expect([activation.routing, activation.revision(5)]).toEqual([revision, 5])
      expect(activation.isOpen).toBe(false)
    }
    // Both have none: the second change is that alone.
    const next = snapshotFrom(log.at(9).head, (name) =>
      name === 'release' ? log.at(8).releases : new Map(),
    )
    expect(activation.take(next, CHANGED).changed).toBe(CHANGED)
  })

  it('stays at the base for who takes no part, and comes back to the received one', () => {
    const activation = new Activation(identity)
    activation.take(log.at(8), 'all')
    const open = withRelease(9, 'open')
    const active = activation.take(open, CHANGED)
    expect([activation.routing, activation.revision(9), active.changed]).toEqual([8, 8, 'all'])
    expect(weightOf(active.snapshot)).toBe(weightOf(log.at(8)))
    expect(weightOf(active.snapshot)).not.toBe(weightOf(log.at(9)))
    // What is not durable is not told, whatever routes.
    expect(activation.revision(4)).toBe(4)
    const ended = activation.take(withRelease(9, 'promoted'), CHANGED)
    expect([activation.routing, ended.changed, activation.isOpen]).toEqual([9, 'all', false])
    expect(weightOf(ended.snapshot)).toBe(weightOf(log.at(9)))
  })

  it('moves at once for the cohort', () => {
    const activation = new Activation(inCohort)
    const open = withRelease(9, 'open')
    expect(activation.take(open, 'all').snapshot).toBe(open)
    expect([activation.routing, activation.isOpen]).toEqual([9, true])
  })
})

async function started(who: typeof identity | typeof inCohort, snapshot: Snapshot) {
  const clock = manualClock()
  const hub = createHub({ clock })
  const beats: Heartbeat[] = []
  const ear = hub.connect()
  ear.onHeartbeat((beat) => beats.push(beat))
  const served: (number | undefined)[] = []
  const saved: Snapshot[] = []
  const following = follow({
    ...{ bus: hub.connect(), clock, random: () => 0.5, log: silentLog, identity: who },
    trusts,
    disk: {
      load: () => Promise.resolve({ snapshot, problems: [] }),
      save: (one, changed) => {
        saved.push(one)
        return noDisk.save(one, changed)
      },
    },
    onSnapshot: (one) => {
      served.push(weightOf(one))
      return []
    },
    load: () => null,
  })
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  await settled()
  const advance = async (ms: number) => {
    clock.advance(ms)
    await settled()
  }
  return { following, beats, served, saved, advance }
}

describe('a follower that starts in the middle of a release', () => {
  it.each([
    ['that is not for it serves the base', identity, 8],
    ['that is for it serves what is released', inCohort, 9],
  ])('%s, and says so', async (_, who, active) => {
    const { following, served, beats } = await started(who, withRelease(9, 'open'))
    expect(served).toEqual([weightOf(log.at(active))])
    expect(following.state()).toMatchObject({ received: 9, active })
    expect(beats.at(-1)).toMatchObject({ received: 9, active })
    await following.stop()
  })

  it('tells how it does more often than otherwise', async () => {
    const open = await started(identity, withRelease(9, 'open'))
    const quiet = await started(identity, withRelease(9, 'promoted'))
    const counts = [open.beats.length, quiet.beats.length]
    await open.advance(RELEASE_HEARTBEAT_MS)
    await quiet.advance(RELEASE_HEARTBEAT_MS)
    expect(open.beats.length - (counts[0] ?? 0)).toBe(1)
    expect(quiet.beats.length - (counts[1] ?? 0)).toBe(0)
    await quiet.advance(HEARTBEAT_MS - RELEASE_HEARTBEAT_MS)
    expect(quiet.beats.length).toBeGreaterThan(counts[1] ?? 0)
    await open.following.stop()
    await quiet.following.stop()
  })
})
