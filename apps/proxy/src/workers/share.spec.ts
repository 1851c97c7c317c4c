import fc from 'fast-check'
import { type Snapshot } from '@signalbox/model'
import { snapshotOfSpecs } from '@signalbox/testing'
import { applyDelta, bothChanged, deltaOf } from './delta.ts'
import { shareDelta, shareOf, shareSnapshot } from './share.ts'

const withLimits = (limits: object): Snapshot =>
  snapshotOfSpecs({
    backends: {
      b1: { kind: 'ollama', url: 'http://b1.test', limits },
      b2: { kind: 'ollama', url: 'http://b2.test' },
    },
    routes: { r1: { tiers: [{ targets: [{ backend: 'b1' }] }] } },
  })
const limitsOf = (snapshot: Snapshot, id = 'b1') => snapshot.backends.get(id)?.spec.limits

describe('shareOf', () => {
  it('never adds up to more than the limit, but for one each', () => {
    const numbers = [fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 64 })] as const
    fc.assert(
      fc.property(...numbers, (limit, workers) => {
        const share = shareOf(limit, workers)
        expect(share).toBeGreaterThanOrEqual(1)
        expect(share * workers).toBeLessThanOrEqual(Math.max(limit, workers))
        expect((share + 1) * workers).toBeGreaterThan(limit)
      }),
    )
  })

  it('leaves none where none is allowed', () => {
    expect(shareOf(0, 4)).toBe(0)
  })
})

describe('shareSnapshot', () => {
  it('divides the limits of backends and leaves all else as it is', () => {
    const whole = withLimits({ connections: 9, idleConnections: 8, pending: 0, concurrency: 1 })
    const shared = shareSnapshot(whole, 4)
    const one = { connections: 2, idleConnections: 2, pending: 0, concurrency: 1 }
    expect(limitsOf(shared)).toEqual(one)
    expect(limitsOf(shared, 'b2')).toEqual({ connections: 125, idleConnections: 25, pending: 250 })
    expect(shared.routes).toBe(whole.routes)
    expect(shareSnapshot(whole, 1)).toEqual(whole)
  })
})

describe('a delta', () => {
  it('takes a shared snapshot to what the newer one would be, and touches nothing else', () => {
    const before = withLimits({ connections: 8 })
    const changed = [
      { resource: 'backend', id: 'b1' },
      { resource: 'backend', id: 'b2' },
    ] as const
    const { b1 } = Object.fromEntries(withLimits({ connections: 4 }).backends)
    if (!b1) throw new Error('there is no b1')
    const head = { ...before.head, revision: before.head.revision + 1 }
    const after: Snapshot = { ...before, head, backends: new Map([['b1', b1]]) }
    const delta = structuredClone(deltaOf(after, changed))
    const shared = shareSnapshot(before, 2)
    const grown = applyDelta(shared, shareDelta(delta, 2))
    expect(grown).toEqual(shareSnapshot(after, 2))
    expect(grown.routes).toBe(shared.routes)
  })

  it('is merged with the one before; with too many changes all is told', () => {
    const one = { resource: 'route', id: 'r' } as const
    expect(bothChanged([one], [one, { ...one, id: 's' }])).toEqual([one, { ...one, id: 's' }])
    expect(bothChanged('all', [one])).toBe('all')
    const many = Array.from({ length: 10_001 }, (_, index) => ({ ...one, id: `r${index}` }))
    expect(bothChanged([], many)).toBe('all')
  })
})
