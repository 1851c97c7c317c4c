import fc from 'fast-check'
import { collection, emptySnapshot, type Snapshot, snapshotFrom } from '@signalbox/model'
import { diff } from './diff.ts'
import { decideRollback } from './rollback.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const backend = (weight = 1, more: object = {}) => ({
  kind: 'vllm',
  url: 'http://b',
  weight,
  ...more,
})
const route = (name: string) => ({ tiers: [{ targets: [{ backend: name }] }] })

type Only = Parameters<typeof decideRollback>[0]

/** As the store hands it in: of the target, only what was changed since. */
function decided(now: Snapshot, target: Snapshot, only: Only = null) {
  const touched = diff(now, target)
  const isTouched = (resource: string, id: string) =>
    touched.some((one) => one.resource === resource && one.id === id)
  const part = snapshotFrom(target.head, (name) => {
    return new Map([...collection(target, name)].filter(([id]) => isTouched(name, id)))
  })
  return decideRollback(only)(now, { snapshot: part, touched })
}

function back(now: Snapshot, target: Snapshot, only: Only = null) {
  const result = decided(now, target, only)
  if (!result.ok) return result.error.code
  return diff(commit(now, result.value), target)
}

describe('a rollback', () => {
  const target = snapshotOf({
    backends: { a: backend(1), b: backend(1) },
    routes: { r: route('a') },
  })

  it('brings all of it back, what was created, changed and deleted', () => {
    const now = snapshotOf({
      backends: { a: backend(5), c: backend(1) },
      routes: { s: route('c') },
    })
    expect(back(now, target)).toEqual([])
  })

  it('brings only the named resources back', () => {
    const now = snapshotOf({
      backends: { a: backend(5), b: backend(5) },
      routes: { r: route('a') },
    })
    const left = back(now, target, [{ resource: 'backend', id: 'a' }])
    expect(left).toMatchObject([{ resource: 'backend', id: 'b' }])
  })

  it('brings a stored credential back as it was', () => {
    const credential = { sealed: 'AQID', fingerprint: 'f00d' }
    const before = snapshotOf({ backends: { a: backend(1, { credential }) } })
    const now = snapshotOf({ backends: { a: backend(1, { url: 'http://elsewhere' }) } })
    expect(back(now, before)).toEqual([])
  })

  it('is refused where the result would not hold together', () => {
    const now = snapshotOf({ backends: { c: backend() }, routes: { s: route('c') } })
    expect(back(now, target, [{ resource: 'route', id: 'r' }])).toBe('dangling_reference')
    expect(back(now, target, [{ resource: 'backend', id: 'c' }])).toBe('still_referenced')
  })

  it('is refused for a resource that there never was', () => {
    expect(back(target, target, [{ resource: 'policy', id: 'p' }])).toBe('not_found')
  })

  it('of everything touches nobody who may, unless they are named', () => {
    const hash = 'a'.repeat(64)
    const before = snapshotOf({ keys: { k: { hash } }, principals: { p: { role: 'admin', hash } } })
    const now = snapshotOf({ settings: { default: { clientAuth: 'blocking' } } })
    expect(decided(now, before)).toEqual({ ok: true, value: [] })
    const named = decided(now, before, [{ resource: 'key', id: 'k' }])
    expect(named.ok && named.value.map(({ type }) => type)).toEqual(['key.created'])
  })

  it('drafts nothing where nothing differs', () => {
    expect(decided(target, target)).toEqual({ ok: true, value: [] })
  })

  it('to revision n leaves what there was at revision n, whatever came between', () => {
    const weights = fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd'),
      fc.integer({ min: 0, max: 9 }),
    )
    fc.assert(
      fc.property(weights, weights, (before, now) => {
        const of = (all: Record<string, number>) =>
          snapshotOf({
            backends: Object.fromEntries(Object.entries(all).map(([id, w]) => [id, backend(w)])),
          })
        expect(back(of(now), of(before))).toEqual([])
      }),
    )
    expect(back(target, { ...emptySnapshot('l1') })).toEqual([])
  })
})
