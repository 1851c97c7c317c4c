import fc from 'fast-check'
import { parseSpec, type Resource, type ResourceName, type SpecOf } from './resource.ts'
import {
  collection,
  decodeSnapshot,
  emptySnapshot,
  encodeSnapshot,
  snapshotFrom,
  snapshotPieces,
} from './snapshot.ts'
import { type Snapshot } from './snapshot.ts'

function resource<Name extends ResourceName>(
  name: Name,
  id: string,
  input: unknown,
): Resource<Name> {
  const parsed = parseSpec(name, input)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  const at = '2026-01-02T03:04:05.678Z'
  const spec: SpecOf[Name] = parsed.value
  return { id, version: 1, revision: 3, createdAt: at, updatedAt: at, spec }
}

const byId = <Name extends ResourceName>(all: readonly Resource<Name>[]) =>
  new Map(all.map((one) => [one.id, one]))

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9._-]{0,20}$/), { maxLength: 8 })

const snapshots: fc.Arbitrary<Snapshot> = fc
  .record({ backends: ids, routes: ids, policies: ids, sets: ids, keys: ids, revision: fc.nat() })
  .map(({ backends, routes, policies, sets, keys, revision }) => ({
    head: { lineage: 'l1', epoch: 2, revision, hash: 'ab'.repeat(32) },
    backends: byId(
      backends.map((id) => resource('backend', id, { kind: 'ollama', url: `http://${id}.test` })),
    ),
    routes: byId(
      routes.map((id) => resource('route', id, { tiers: [{ targets: [{ backend: 'b' }] }] })),
    ),
    policies: byId(policies.map((id) => resource('policy', id, {}))),
    principals: new Map(),
    secrets: byId(
      keys.map((id) => resource('secret', id, { sealed: 'AQID', fingerprint: 'f00d' })),
    ),
    settings: byId([resource('settings', 'default', {})]),
    keys: byId(keys.map((id) => resource('key', id, { hash: 'ab'.repeat(32) }))),
    sets: byId(sets.map((id) => resource('set', id, { members: [`route/${id}`] }))),
    releases: new Map(),
  }))

describe('the snapshot codec', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        expect(decodeSnapshot(encodeSnapshot(snapshot))).toEqual({ ok: true, value: snapshot })
      }),
    )
  })

  it('writes a resource that was read byte for byte as before', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const text = encodeSnapshot(snapshot)
        const read = decodeSnapshot(text)
        expect(read.ok && encodeSnapshot(read.value)).toBe(text)
      }),
    )
  })

  it('writes many resources in pieces that together are one list', () => {
    const { head } = emptySnapshot('l1')
    const at = '2026-01-01T00:00:00.000Z'
    const spec = { members: [] }
    const all = Array.from({ length: 2_001 }, (_, nth) => {
      return { id: `s${nth}`, version: 1, revision: 1, createdAt: at, updatedAt: at, spec }
    })
    const map = new Map(all.map((one) => [one.id, one]))
    const snapshot = snapshotFrom(head, (name) => (name === 'set' ? map : new Map()))
    expect((JSON.parse(encodeSnapshot(snapshot)) as { sets: unknown }).sets).toEqual(all)
    expect(decodeSnapshot(encodeSnapshot(snapshot))).toEqual({ ok: true, value: snapshot })
    const longest = Math.max(...[...snapshotPieces(snapshot)].map(({ length }) => length))
    expect(longest).toBeLessThan(encodeSnapshot(snapshot).length / 2 + 1_000)
  })

  it('refuses text that was cut off anywhere', () => {
    const text = encodeSnapshot(emptySnapshot('l1'))
    for (let length = 0; length < text.length; length++) {
      expect(decodeSnapshot(text.slice(0, length)).ok).toBe(false)
    }
  })

  it.each<[string, object]>([
    ['another format', { format: 2 }],
    ['no head', { head: null }],
    ['a head without a revision', { head: { lineage: 'l1', epoch: 1, hash: '' } }],
    ['a missing collection', { backends: undefined }],
    ['a duplicate id', { policies: [{ id: 'p' }, { id: 'p' }] }],
    ['a collection that is no list', { routes: {} }],
  ])('refuses %s', (_what, change) => {
    const good = JSON.parse(encodeSnapshot(emptySnapshot('l1'))) as object
    expect(decodeSnapshot(JSON.stringify(good)).ok).toBe(true)
    expect(decodeSnapshot(JSON.stringify({ ...good, ...change })).ok).toBe(false)
  })

  it('reads a text from before there were secrets', () => {
    const { secrets: _, ...older } = JSON.parse(encodeSnapshot(emptySnapshot('l1')))
    const read = decodeSnapshot(JSON.stringify({ ...older, format: 3 }))
    expect(read).toEqual({ ok: true, value: emptySnapshot('l1') })
    expect(decodeSnapshot(JSON.stringify(older)).ok).toBe(false)
    expect(decodeSnapshot(JSON.stringify({ ...older, format: 3, keys: undefined })).ok).toBe(false)
  })

  it.each([['[]'], ['null'], ['5'], ['"text"']])('refuses %s', (text) => {
    expect(decodeSnapshot(text).ok).toBe(false)
  })
})

describe('collection', () => {
  it('gives the resources of one kind', () => {
    const snapshot = emptySnapshot('l1')
    expect(collection(snapshot, 'backend')).toBe(snapshot.backends)
    expect(collection(snapshot, 'route')).toBe(snapshot.routes)
    expect(collection(snapshot, 'policy')).toBe(snapshot.policies)
  })
})
