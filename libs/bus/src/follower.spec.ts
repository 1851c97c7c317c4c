import { sha256 } from '@signalbox/host'
import { type Head } from '@signalbox/model'
import { REVISIONS_PER_FETCH } from './bus.ts'
import {
  type Effect,
  type Follower,
  type Input,
  SILENCE_MS,
  stateName,
  UNSTARTED,
} from './follower-state.ts'
import { step } from './follower.ts'
import { TestLog } from './test-log.harness.ts'

/** A follower, and what its last input made it do. */
class Subject {
  state: Follower = UNSTARTED
  effects: readonly Effect[] = []

  give(...inputs: readonly Input[]): this {
    for (const input of inputs) {
      const next = step(this.state, input, sha256)
      this.state = next.state
      this.effects = next.effects
    }
    return this
  }

  get name() {
    return stateName(this.state)
  }

  get revision(): number | undefined {
    return this.state.snapshot?.head.revision
  }

  get did(): readonly string[] {
    return this.effects.map((effect) =>
      effect.kind === 'fetch' ? `fetch ${effect.from}-${effect.to}` : effect.kind,
    )
  }
}

const start: Input = { kind: 'start', atMs: 0 }
const nothingOnDisk: Input = { kind: 'restored', snapshot: null }
const beacon = (head: Head, atMs = 0): Input => ({ kind: 'beacon', head, atMs })
const live = (log: TestLog, revision: number): Input => ({
  kind: 'revision',
  message: log.message(revision),
})
const found = (log: TestLog, from: number, to = from): Input => ({
  kind: 'fetched',
  outcome: { kind: 'found', messages: log.messages.slice(from - 1, to) },
})
const nothing: Input = { kind: 'fetched', outcome: { kind: 'found', messages: [] } }
const gone: Input = { kind: 'fetched', outcome: { kind: 'gone' } }

/** Restored at this revision, the stream asked for more in vain, the beacon heard. */
function liveAt(log: TestLog, revision: number): Subject {
  const snapshot = log.at(revision)
  const subject = new Subject().give(start, { kind: 'restored', snapshot }, nothing)
  return subject.give(beacon(snapshot.head))
}

describe('a follower that starts', () => {
  it('is cold, restores, then syncs from a snapshot and the revisions after it', () => {
    const log = new TestLog().appendMany(5)
    const subject = new Subject()
    expect(subject.name).toBe('cold')
    expect(subject.give(start).did).toEqual(['restore'])
    expect(subject.name).toBe('restoring')
    expect(subject.give(nothingOnDisk).did).toEqual(['take-snapshot'])
    expect(subject.name).toBe('syncing')
    subject.give({ kind: 'snapshot', snapshot: log.at(3) })
    expect(subject.did).toEqual(['adopt', 'persist', `fetch 4-${3 + REVISIONS_PER_FETCH}`])
    expect(subject.name).toBe('catching-up')
    expect(subject.give(found(log, 4, 5)).did).toEqual(['adopt', 'persist'])
    expect(subject.give(beacon(log.head)).name).toBe('live')
    expect(subject.state.snapshot).toEqual(log.state)
  })

  it('folds the log from its beginning where there is no snapshot', () => {
    const log = new TestLog().appendMany(3)
    const subject = new Subject().give(start, nothingOnDisk, { kind: 'snapshot', snapshot: null })
    expect(subject.did).toEqual([`fetch 1-${REVISIONS_PER_FETCH}`])
    expect(subject.give(found(log, 1, 3)).revision).toBe(3)
    expect(subject.state.snapshot).toEqual(log.state)
  })

  it('waits, and then asks again, where there is nothing at all', () => {
    const subject = new Subject().give(start, nothingOnDisk, { kind: 'snapshot', snapshot: null })
    expect(subject.give(nothing).did).toEqual(['pause'])
    expect(subject.give({ kind: 'resume' }).did).toEqual(['take-snapshot'])
    expect(subject.name).toBe('syncing')
  })

  it('serves the empty configuration of a log that has no revision yet', () => {
    const log = new TestLog()
    const subject = new Subject().give(start, nothingOnDisk, beacon(log.head))
    expect(subject.did).toEqual(['adopt', 'persist'])
    subject.give({ kind: 'snapshot', snapshot: null })
    expect(subject.name).toBe('live')
    log.append()
    expect(subject.give(live(log, 1)).did).toEqual(['adopt', 'persist'])
  })

  it('serves from disk and acks that before it has heard anything', () => {
    const log = new TestLog().appendMany(4)
    const subject = new Subject().give(start, { kind: 'restored', snapshot: log.at(2) })
    expect(subject.did).toEqual(['adopt', `fetch 3-${2 + REVISIONS_PER_FETCH}`])
    expect(subject.state.durable).toEqual(log.at(2).head)
    expect(subject.name).toBe('catching-up')
  })

  it('leaves what the bus says until the disk has answered, then judges it', () => {
    const log = new TestLog().appendMany(4)
    const subject = new Subject().give(start, live(log, 4), beacon(log.head))
    expect(subject.effects).toEqual([])
    subject.give({ kind: 'restored', snapshot: log.at(2) })
    expect(subject.did).toEqual(['adopt', `fetch 3-${2 + REVISIONS_PER_FETCH}`])
    expect(subject.give(nothing).did).toEqual(['pause'])
  })
})

describe('a revision', () => {
  it('is applied where it is the next one, with what it changed', () => {
    const log = new TestLog().appendMany(3)
    const subject = liveAt(log, 2).give(live(log, 3))
    const changed = [{ resource: 'backend', id: 'b2' }]
    expect(subject.effects).toEqual([
      { kind: 'adopt', snapshot: log.at(3), changed },
      { kind: 'persist', snapshot: log.at(3), changed },
    ])
    expect(subject.state.durable).toEqual(log.at(2).head)
  })

  it('is dropped where it is old', () => {
    const log = new TestLog().appendMany(3)
    const subject = liveAt(log, 3)
    expect(subject.give(live(log, 3)).effects).toEqual([])
    expect(subject.give(live(log, 1)).effects).toEqual([])
    expect(subject.name).toBe('live')
  })

  it('is fetched with those before it where there is a gap', () => {
    const log = new TestLog().appendMany(6)
    const subject = liveAt(log, 2).give(live(log, 5))
    expect(subject.did).toEqual(['fetch 3-5'])
    expect(subject.revision).toBe(2)
    expect(subject.give(live(log, 6)).effects).toEqual([])
    expect(subject.give(found(log, 3, 5)).did).toEqual(['adopt', 'persist', 'fetch 6-6'])
    expect(subject.give(found(log, 6)).revision).toBe(6)
  })

  it('is not applied where its hash does not hold, nor where it is of another log', () => {
    const log = new TestLog().appendMany(3)
    const message = log.message(3)
    const forged = { ...message, body: message.body.replace('"weight":3', '"weight":4') }
    expect(forged.body).not.toBe(message.body)
    const subject = liveAt(log, 2).give({ kind: 'revision', message: forged })
    expect(subject.revision).toBe(2)
    expect(subject.did).toEqual(['fetch 3-3'])
    const other = new TestLog('lineage-2').appendMany(3)
    expect(liveAt(log, 2).give(live(other, 3)).effects).toEqual([])
  })

  it('freezes the follower before it where this version does not understand it', () => {
    const log = new TestLog().appendMany(2)
    log.append({ schema: 99 })
    log.appendMany(1)
    const subject = liveAt(log, 2).give(live(log, 3))
    expect(subject.name).toBe('frozen')
    expect(subject.state.frozen).toContain('schema 99')
    expect(subject.effects).toEqual([])
    expect(subject.give(live(log, 4), beacon(log.head)).effects).toEqual([])
    expect(subject.give({ kind: 'snapshot', snapshot: log.at(4) }).revision).toBe(2)
  })

  it('freezes the follower before it where it changes a kind of resource that is not known', () => {
    const log = new TestLog().appendMany(2)
    log.append({ strange: true })
    const subject = liveAt(log, 2).give(live(log, 3))
    expect(subject.revision).toBe(2)
    expect(subject.state.frozen).toContain('a gizmo, which this version does not know')
  })

  it('is applied up to the one that is not understood when several are fetched', () => {
    const log = new TestLog().appendMany(3)
    log.append({ schema: 99 })
    const subject = liveAt(log, 1)
      .give(beacon(log.head))
      .give(found(log, 2, 4))
    expect(subject.did).toEqual(['adopt', 'persist'])
    expect(subject.revision).toBe(3)
    expect(subject.name).toBe('frozen')
  })
})

describe('a request', () => {
  it('that fails moves nothing; it is repeated after a pause or when reconnected', () => {
    const log = new TestLog().appendMany(4)
    const subject = liveAt(log, 2).give(beacon(log.head))
    const before = subject.state.snapshot
    expect(subject.give({ kind: 'failed' }).did).toEqual(['pause'])
    expect(subject.state.snapshot).toBe(before)
    expect(subject.give(beacon(log.head)).effects).toEqual([])
    expect(subject.give({ kind: 'resume' }).did).toEqual(['fetch 3-4'])
    subject.give({ kind: 'failed' }, { kind: 'connected' })
    expect(subject.did).toEqual([`fetch 3-${2 + REVISIONS_PER_FETCH}`])
  })

  it('that finds nothing is repeated only for what a beacon has named', () => {
    const log = new TestLog().appendMany(6)
    expect(liveAt(log, 2).give(live(log, 5)).give(nothing).effects).toEqual([])
    expect(liveAt(log, 2).give(beacon(log.head)).give(nothing).did).toEqual(['pause'])
  })

  it('that finds nothing is repeated at once for what was heard while it was under way', () => {
    const log = new TestLog().appendMany(6)
    const subject = liveAt(log, 2).give(live(log, 4), live(log, 6))
    expect(subject.give(nothing).did).toEqual(['fetch 3-6'])
    expect(subject.give(nothing).effects).toEqual([])
  })

  it('asks for no more than a call may answer, and goes on after a full answer', () => {
    const log = new TestLog().appendMany(REVISIONS_PER_FETCH + 3)
    const subject = new Subject().give(start, { kind: 'restored', snapshot: log.at(1) })
    expect(subject.did).toEqual(['adopt', `fetch 2-${REVISIONS_PER_FETCH + 1}`])
    subject.give(found(log, 2, REVISIONS_PER_FETCH + 1))
    expect(subject.did.at(-1)).toBe(
      `fetch ${REVISIONS_PER_FETCH + 2}-${2 * REVISIONS_PER_FETCH + 1}`,
    )
  })
})

describe('a snapshot', () => {
  const log = new TestLog().appendMany(9)
  const behind = () => liveAt(log, 4).give(beacon(log.head))

  it('is asked for when the revisions are gone, and taken where it is newer', () => {
    const subject = behind().give(gone)
    expect(subject.did).toEqual(['take-snapshot'])
    subject.give({ kind: 'snapshot', snapshot: log.at(8) })
    expect(subject.did).toEqual(['adopt', 'persist', `fetch 9-${8 + REVISIONS_PER_FETCH}`])
  })

  it.each([
    ['older', log.at(3)],
    ['the same', log.at(4)],
    ['of another lineage', new TestLog('lineage-2').appendMany(9).state],
    ['none', null],
  ])('is refused where it is %s', (_what, snapshot) => {
    const subject = behind().give(gone, { kind: 'snapshot', snapshot })
    expect(subject.did).toEqual(['pause'])
    expect(subject.revision).toBe(4)
  })
})

describe('a beacon', () => {
  const log = new TestLog().appendMany(8)

  it('of the own head makes the follower live, and says so until it falls silent', () => {
    const subject = liveAt(log, 8)
    expect(subject.name).toBe('live')
    expect(subject.give({ kind: 'tick', atMs: SILENCE_MS - 1 }).name).toBe('live')
    expect(subject.give({ kind: 'tick', atMs: SILENCE_MS }).name).toBe('degraded')
    expect(subject.revision).toBe(8)
    expect(subject.give(beacon(log.head, SILENCE_MS)).name).toBe('live')
  })

  it('of an earlier revision is overtaken news', () => {
    const subject = liveAt(log, 8).give(beacon(log.at(6).head))
    expect(subject.effects).toEqual([])
    expect(subject.name).toBe('live')
  })

  it('of an older epoch comes from a stale publisher and is no sign of life', () => {
    const next = log.failOver(8).appendMany(1)
    const subject = liveAt(next, 9).give(beacon(log.head, SILENCE_MS))
    subject.give({ kind: 'tick', atMs: SILENCE_MS })
    expect(subject.effects).toEqual([])
    expect(subject.name).toBe('degraded')
  })

  it('with another hash at the own revision makes it build the other chain beside its own', () => {
    const next = log.failOver(6).appendMany(2)
    const subject = liveAt(log, 8).give(beacon(next.head))
    expect(subject.did).toEqual(['take-snapshot'])
    expect(subject.name).toBe('syncing')
    expect(subject.give({ kind: 'snapshot', snapshot: next.at(5) }).did).toEqual(['fetch 6-8'])
    expect(subject.state.snapshot).toEqual(log.state)
    expect(subject.give(found(next, 6, 8)).did).toEqual(['adopt', 'persist'])
    expect(subject.state.snapshot).toEqual(next.state)
    expect(subject.name).toBe('live')
  })

  it('of a higher epoch below the own revision takes a lost tail back', () => {
    const next = log.failOver(4).appendMany(1)
    const subject = liveAt(log, 8).give(beacon(next.head))
    subject.give({ kind: 'snapshot', snapshot: null })
    expect(subject.did).toEqual(['fetch 1-5'])
    expect(subject.give(found(next, 1, 5)).revision).toBe(5)
    expect(subject.state.snapshot).toEqual(next.state)
  })

  it('of another lineage makes it follow that one', () => {
    const other = new TestLog('lineage-2').appendMany(2)
    const subject = liveAt(log, 8).give(beacon(other.head))
    subject.give({ kind: 'snapshot', snapshot: log.state })
    expect(subject.did).toEqual(['fetch 1-2'])
    expect(subject.give(found(other, 1, 2)).state.snapshot).toEqual(other.state)
  })

  it('confirms a fork that a fetch has met; until then the follower stays where it is', () => {
    const next = log.failOver(4).appendMany(6)
    const subject = liveAt(log, 6).give(live(next, 8))
    expect(subject.did).toEqual(['fetch 7-8'])
    expect(subject.give(found(next, 7, 8)).effects).toEqual([])
    expect(subject.name).toBe('catching-up')
    expect(subject.give(beacon(next.head)).did).toEqual(['take-snapshot'])
    subject.give({ kind: 'snapshot', snapshot: next.at(5) }).give(found(next, 6, 10))
    expect(subject.state.snapshot).toEqual(next.state)
  })

  it('that nothing leads to is left alone until the next; the own chain serves on', () => {
    const next = log.failOver(6).appendMany(2)
    const subject = liveAt(log, 8).give(beacon(next.head), {
      kind: 'snapshot',
      snapshot: log.at(7),
    })
    expect(subject.did).toEqual(['fetch 8-8'])
    expect(subject.give(found(next, 8)).did).toEqual(['fetch 1-8'])
    expect(subject.give(gone).did).toEqual(['pause'])
    expect(subject.state.snapshot).toEqual(log.state)
    subject.give({ kind: 'resume' })
    expect(subject.give(beacon(next.head)).did).toEqual(['take-snapshot'])
  })

  it('of the own head ends a resync that a stray one began', () => {
    const other = new TestLog('lineage-2').appendMany(2)
    const subject = liveAt(log, 8).give(beacon(other.head), beacon(log.head))
    expect(subject.give({ kind: 'snapshot', snapshot: other.state }).effects).toEqual([])
    expect(subject.state.snapshot).toEqual(log.state)
    expect(subject.name).toBe('live')
  })
})

describe('a follower that drains', () => {
  it('says so and follows no more, but still acks what was being written', () => {
    const log = new TestLog().appendMany(3)
    const subject = liveAt(log, 1).give(live(log, 2), { kind: 'drain' })
    expect(subject.name).toBe('draining')
    expect(subject.give(live(log, 3), beacon(log.head)).effects).toEqual([])
    subject.give({ kind: 'persisted', head: log.at(2).head })
    expect(subject.state.durable).toEqual(log.at(2).head)
  })
})
