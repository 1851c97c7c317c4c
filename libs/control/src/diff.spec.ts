import fc from 'fast-check'
import { type Draft } from '@signalbox/model'
import { diff } from './diff.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const backend = (weight: number) => ({ kind: 'vllm', url: 'http://127.0.0.1:8000', weight })

describe('diff', () => {
  it('names what was created, updated and deleted, with the specs before and after', () => {
    const from = snapshotOf({ backends: { b: backend(1), c: backend(1), d: backend(1) } })
    const to = snapshotOf({ backends: { a: backend(1), b: backend(2), d: backend(1) } })
    const spec = (snapshot: typeof from, id: string) => snapshot.backends.get(id)?.spec
    expect(diff(from, to)).toEqual([
      { resource: 'backend', id: 'a', op: 'created', before: null, after: spec(to, 'a') },
      {
        resource: 'backend',
        id: 'b',
        op: 'updated',
        before: spec(from, 'b'),
        after: spec(to, 'b'),
      },
      { resource: 'backend', id: 'c', op: 'deleted', before: spec(from, 'c'), after: null },
    ])
  })

  it('stays quiet between equal snapshots, the same object or not', () => {
    const given = { backends: { b: backend(1) }, policies: { p: {} } }
    expect(diff(snapshotOf(given), snapshotOf(given))).toEqual([])
    const one = snapshotOf(given)
    expect(diff(one, one)).toEqual([])
  })

  it('leads from one snapshot to the other when it is applied', () => {
    const policies = fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      fc.record({ retry: fc.record({ maxRetries: fc.integer({ min: 0, max: 3 }) }) }),
    )
    fc.assert(
      fc.property(policies, policies, (before, after) => {
        const from = snapshotOf({ policies: before })
        const to = snapshotOf({ policies: after })
        const drafts = diff(from, to).map(({ resource, id, op, after: spec }): Draft => ({
          type: `${resource}.${op}`,
          resource,
          id,
          version: 1,
          spec,
        }))
        expect(diff(commit(from, drafts), to)).toEqual([])
        expect(diff(from, to)).toHaveLength(drafts.length)
      }),
    )
  })
})
