import {
  type Chunk,
  chunkIndex,
  CHUNK_CHARS,
  CHUNK_RESOURCES,
  cutPieces,
  decodeChunk,
  decodeManifest,
  encodeManifest,
  type Manifest,
} from './chunks.ts'
import { EVENT_SCHEMA, GENESIS_HASH } from './event.ts'
import { type Resource } from './resource.ts'

const HASH = 'a'.repeat(64)
const head = { lineage: 'l1', epoch: 1, revision: 7, hash: GENESIS_HASH }
const at = '2026-01-01T00:00:00.000Z'
const chunk = (resource: Chunk['resource'], first: string): Chunk => {
  return { resource, first, count: 1, hash: HASH }
}
const manifestOf = (...chunks: Chunk[]): Manifest => ({ head, schema: EVENT_SCHEMA, chunks })

function resources(count: number, text = ''): readonly Resource<'key'>[] {
  return Array.from({ length: count }, (_, nth) => ({
    id: `k-${String(nth).padStart(6, '0')}`,
    ...{ version: 1, revision: 1, createdAt: at, updatedAt: at },
    spec: { owner: text, enabled: true, labels: {}, routes: ['*'], metadata: {}, hash: HASH },
  }))
}

describe('a manifest', () => {
  it('is read back as it was written', () => {
    const manifest = manifestOf(chunk('backend', 'a'), chunk('backend', 'b'), chunk('key', 'a'))
    expect(decodeManifest(encodeManifest(manifest))).toEqual({ ok: true, value: manifest })
    expect(decodeManifest(encodeManifest(manifestOf()))).toEqual({ ok: true, value: manifestOf() })
  })

  it.each([
    ['ids in another order', manifestOf(chunk('backend', 'b'), chunk('backend', 'a'))],
    ['an id twice', manifestOf(chunk('backend', 'a'), chunk('backend', 'a'))],
    ['kinds in another order', manifestOf(chunk('key', 'a'), chunk('backend', 'a'))],
    ['no hash', manifestOf({ ...chunk('key', 'a'), hash: '../x' })],
    ['nothing in a chunk', manifestOf({ ...chunk('key', 'a'), count: 0 })],
    ['an unknown kind', manifestOf(chunk('gizmo' as 'key', 'a'))],
    ['a later schema', { ...manifestOf(), schema: EVENT_SCHEMA + 1 }],
    ['no head', { ...manifestOf(), head: { ...head, hash: 1 as unknown as string } }],
  ])('is refused with %s', (_, manifest) => {
    expect(decodeManifest(encodeManifest(manifest)).ok).toBe(false)
  })

  it.each(['', '{', 'null', '[]', '{"manifest":2}'])('is not %j', (text) => {
    expect(decodeManifest(text).ok).toBe(false)
  })
})

describe('chunks', () => {
  it.each([
    [1, ''],
    [CHUNK_RESOURCES, ''],
    [CHUNK_RESOURCES + 1, ''],
    [2_500, 'x'.repeat(150)],
    [5, 'x'.repeat(CHUNK_CHARS)],
  ])('of %i resources hold all of them, within the limits, and about evenly', (count, text) => {
    const all = resources(count, text)
    const pieces = cutPieces(all)
    const read = pieces.flatMap((piece) => {
      const decoded = decodeChunk(piece.text, { ...chunk('key', piece.first), ...piece }, 4)
      return decoded.ok ? decoded.value : []
    })
    expect(read).toEqual(all)
    for (const { count: one, text: its } of pieces) {
      expect(one).toBeLessThanOrEqual(CHUNK_RESOURCES)
      expect(one === 1 || its.length <= CHUNK_CHARS + 2).toBe(true)
      expect(one).toBeGreaterThan(count / pieces.length / 2 - 1)
    }
    expect(cutPieces([])).toEqual([])
  })

  it('are refused where they are not what the manifest says', () => {
    const [{ text, count } = { text: '', count: 0 }] = cutPieces(resources(3))
    const good = { ...chunk('key', 'k-000000'), count }
    expect(decodeChunk(text, good, EVENT_SCHEMA).ok).toBe(true)
    expect(decodeChunk(text, { ...good, count: 2 }, EVENT_SCHEMA).ok).toBe(false)
    expect(decodeChunk(text, { ...good, first: 'k-000001' }, EVENT_SCHEMA).ok).toBe(false)
    const [a, b, c] = resources(3)
    const bad = [[a, c, b], [a, a, b], [a, null, b], [a, b, { id: 7 }], { length: 3 }]
    for (const list of bad) {
      expect(decodeChunk(JSON.stringify(list), good, EVENT_SCHEMA).ok).toBe(false)
    }
    expect(decodeChunk(text.slice(1), good, EVENT_SCHEMA).ok).toBe(false)
  })

  it('have one place for every id', () => {
    const chunks = ['b', 'd', 'f'].map((first) => ({ first }))
    const places = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => chunkIndex(chunks, id))
    expect(places).toEqual([0, 0, 0, 1, 1, 2, 2])
    expect(chunkIndex([], 'a')).toBe(-1)
  })
})
