import fc from 'fast-check'
import { type Event, type RevisionBody, type RevisionMessage } from './event.ts'
import { DEFAULT_POLICY, type PolicySpec } from './policy.ts'
import { project } from './project.ts'
import { type DataKeys } from './sealed.ts'
import { emptySnapshot, type Snapshot } from './snapshot.ts'

type Write = readonly [id: string, maxRetries: number | null]

function eventOf([id, maxRetries]: Write, version: number): Event {
  const spec: PolicySpec | null =
    maxRetries === null
      ? null
      : { ...DEFAULT_POLICY, retry: { ...DEFAULT_POLICY.retry, maxRetries } }
  const type = spec === null ? 'policy.deleted' : 'policy.updated'
  return { position: 1, type, resource: 'policy', id, version, schema: 1, spec }
}

/** Folds one revision that writes policies. */
function after(snapshot: Snapshot, writes: readonly Write[], at: string): Snapshot {
  const revision = snapshot.head.revision + 1
  const message: RevisionMessage = {
    lineage: snapshot.head.lineage,
    epoch: snapshot.head.epoch,
    revision,
    previousHash: snapshot.head.hash,
    hash: revision.toString(16).padStart(64, '0'),
    body: '',
  }
  const body: RevisionBody = {
    v: 1,
    fleet: 'default',
    lineage: message.lineage,
    epoch: message.epoch,
    revision,
    at,
    actor: 'root',
    role: 'admin',
    source: 'api',
    reason: null,
    requestId: 'r',
    changeRef: null,
    address: null,
    events: writes.map((write) => eventOf(write, revision)),
  }
  return project(snapshot, message, body)
}

const empty = emptySnapshot('l1')

describe('project', () => {
  it('joins what is sealed with the data keys that came along, and with no others', () => {
    const sealed = (id: string) => ({ sealed: `dk1:${id}:AAAA`, fingerprint: 'f', labels: {} })
    const fold = (dataKeys?: DataKeys) => {
      const { head } = empty
      const link = { ...head, revision: 1, previousHash: head.hash, body: '' }
      const events = ['k1', 'k2', '__proto__'].map((id, nth) => ({
        ...{ position: nth, type: 'secret.created', resource: 'secret', id, version: 1, schema: 2 },
        spec: sealed(id),
      })) as Event[]
      const message = { ...link, ...(dataKeys ? { dataKeys } : {}) }
      const body = { v: 1, at: 'T', events } as unknown as RevisionBody
      const { secrets } = project(empty, message, body)
      return [...secrets.values()].map(({ spec }) => spec.sealed)
    }
    expect(fold()).toEqual(['dk1:k1:AAAA', 'dk1:k2:AAAA', 'dk1:__proto__:AAAA'])
    const joined = fold({ k1: 'key.WRAPPED', k3: 'key.OTHER' })
    expect(joined).toEqual(['dk1:k1:AAAA:key.WRAPPED', 'dk1:k2:AAAA', 'dk1:__proto__:AAAA'])
  })

  it('adds a resource and moves the head', () => {
    const snapshot = after(empty, [['p', 1]], 'T1')
    expect(snapshot.head).toEqual({
      lineage: 'l1',
      epoch: 1,
      revision: 1,
      hash: '1'.padStart(64, '0'),
    })
    expect(snapshot.policies.get('p')).toEqual({
      id: 'p',
      version: 1,
      revision: 1,
      createdAt: 'T1',
      updatedAt: 'T1',
      spec: { ...DEFAULT_POLICY, retry: { ...DEFAULT_POLICY.retry, maxRetries: 1 } },
    })
  })

  it('keeps the time of creation when a resource changes', () => {
    const snapshot = after(after(empty, [['p', 1]], 'T1'), [['p', 2]], 'T2')
    expect(snapshot.policies.get('p')).toMatchObject({
      version: 2,
      revision: 2,
      createdAt: 'T1',
      updatedAt: 'T2',
    })
  })

  it('starts anew with a resource that was deleted and comes back', () => {
    const gone = after(after(empty, [['p', 1]], 'T1'), [['p', null]], 'T2')
    expect(gone.policies.has('p')).toBe(false)
    expect(after(gone, [['p', 1]], 'T3').policies.get('p')).toMatchObject({ createdAt: 'T3' })
  })

  it('leaves the old snapshot, and the collections that it does not touch, as they are', () => {
    const before = after(empty, [['p', 1]], 'T1')
    const next = after(before, [['p', null]], 'T2')
    expect(before.policies.size).toBe(1)
    expect(next.backends).toBe(before.backends)
    expect(next.routes).toBe(before.routes)
  })

  it('refuses a revision that is not the next one', () => {
    const before = after(empty, [['p', 1]], 'T1')
    const ahead = { ...empty, head: { ...empty.head, revision: 7 } }
    const message: RevisionMessage = { ...before.head, previousHash: '', body: '' }
    const body = { at: 'T', revision: 1, events: [] } as unknown as RevisionBody
    expect(() => project(before, message, body)).toThrow('revision 1 does not follow 1')
    expect(() => project(ahead, message, body)).toThrow('revision 1 does not follow 7')
  })

  it('ends at the last write of each id, however the writes are cut into revisions', () => {
    const write = fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.option(fc.integer({ min: 0, max: 10 })),
    )
    fc.assert(
      fc.property(fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 12 }), (revisions) => {
        const expected = new Map<string, number>()
        for (const [id, maxRetries] of revisions.flat()) {
          if (maxRetries === null) expected.delete(id)
          else expected.set(id, maxRetries)
        }
        const end = revisions.reduce((snapshot, writes) => after(snapshot, writes, 'T'), empty)
        const got = [...end.policies].map(([id, { spec }]) => [id, spec.retry.maxRetries] as const)
        expect(new Map(got)).toEqual(expected)
        expect(end.head.revision).toBe(revisions.length)
      }),
    )
  })
})
