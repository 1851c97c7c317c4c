// Snapshots of more than 10,000 keys: taken from the bus, kept on disk, read again.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Digest,
  EVENT_SCHEMA,
  LayeredMap,
  PackedMap,
  parseSpec,
  type Resource,
  type Snapshot,
  snapshotFrom,
  withChanges,
} from '@signalbox/model'
import { type DiskCopy, openDiskCopy } from './disk-copy.ts'
import { type ChangedResource } from './follower-fold.ts'
import { readSnapshot } from './read-snapshot.ts'
import { type Chunked, chunked } from './snapshot.harness.ts'
import { TestLog } from './test-log.harness.ts'

const COUNT = 10_500
const AT = '2026-01-01T00:00:00.000Z'
const log = new TestLog().appendMany(4)

function keyOf(nth: number, owner = 'a'): Resource<'key'> {
  const hash = nth.toString(16).padStart(64, '0')
  const spec = parseSpec('key', { hash, owner })
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  const id = `k-${String(nth).padStart(6, '0')}`
  return { id, version: 1, revision: 1, createdAt: AT, updatedAt: AT, spec: spec.value }
}

const all = Array.from({ length: COUNT }, (_, nth) => keyOf(nth))
/** In a plain map, at a revision of the log. */
const whole = at(1, new Map(all.map((key) => [key.id, key])))
let stored: Chunked

function at(revision: number, keys: ReadonlyMap<string, Resource>): Snapshot {
  const { head, backends } = log.at(revision)
  return snapshotFrom(head, (name): ReadonlyMap<string, Resource> => {
    if (name === 'key') return keys
    return name === 'backend' ? backends : new Map()
  })
}

/** The snapshot as it is read from its chunks; a change to one of them makes it another source's. */
function read(change: (data: Uint8Array, hash: string) => Uint8Array | null = (data) => data) {
  const data = new Map(stored.chunks.map((chunk) => [chunk.hash, chunk.data]))
  const chunk = (hash: string) => {
    const one = data.get(hash)
    return Promise.resolve(one ? change(one, hash) : null)
  }
  return readSnapshot(stored.manifest, { sources: [{ name: 'here', chunk }], digests })
}

const noted: string[] = []
const digests = {
  key: (text: Uint8Array): Digest => {
    const resources: Resource[] = JSON.parse(Buffer.from(text).toString('utf8'))
    const ids = resources.map(({ id }) => id)
    noted.push(...ids)
    const [first = '', last = ''] = [ids[0], ids.at(-1)]
    return { first, last, count: ids.length, has: (id) => ids.includes(id) }
  },
}

async function packed(): Promise<Snapshot> {
  const snapshot = await read()
  if (!snapshot.ok) throw new Error(snapshot.error)
  return snapshot.value
}

beforeAll(async () => {
  stored = await chunked(whole)
})

describe('many keys', () => {
  it('stay packed, are noted once each, and are what was written', async () => {
    noted.length = 0
    const snapshot = await packed()
    expect(snapshot.keys).toBeInstanceOf(PackedMap)
    expect(noted).toEqual(all.map(({ id }) => id))
    expect([...snapshot.keys]).toEqual([...whole.keys])
    expect(snapshot.backends).toEqual(whole.backends)
    expect(snapshot.keys.get('k-000007')).toEqual(all[7])
  })

  it('are read of an earlier schema, and kept as they are written now', async () => {
    const older = { ...stored.manifest, schema: EVENT_SCHEMA - 1 }
    const data = new Map(stored.chunks.map((chunk) => [chunk.hash, chunk.data]))
    const source = {
      name: 'here',
      chunk: (hash: string) => Promise.resolve(data.get(hash) ?? null),
    }
    const snapshot = await readSnapshot(older, { sources: [source], digests })
    expect(snapshot.ok && new Map(snapshot.value.keys)).toEqual(whole.keys)
  })

  it('are not taken where a chunk is missing, damaged, or not what the manifest says', async () => {
    const last = stored.chunks.at(-1)?.hash
    expect(await read((one, hash) => (hash === last ? null : one))).toMatchObject({ ok: false })
    const flipped = (one: Uint8Array) => one.with(one.length >> 1, (one[one.length >> 1] ?? 0) ^ 1)
    const damaged = await read((one, hash) => (hash === last ? flipped(one) : one))
    expect(damaged).toMatchObject({ ok: false })
    const chunks = stored.manifest.chunks.map((chunk) => ({ ...chunk, count: chunk.count + 1 }))
    const sources = [{ name: 'here', chunk: () => Promise.resolve(stored.chunks[0]?.data ?? null) }]
    const wrong = await readSnapshot({ ...stored.manifest, chunks }, { sources, digests })
    expect(wrong).toMatchObject({ ok: false, error: expect.stringContaining('as many resources') })
  })
})

describe('the disk copy of a large snapshot', () => {
  let dir: string
  let disk: DiskCopy
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'signalbox-large-'))
    disk = openDiskCopy(dir, digests)
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  const bases = async () => (await readdir(dir)).filter((name) => name.startsWith('base-')).sort()
  const save = async (snapshot: Snapshot, changed: 'all' | readonly ChangedResource[]) =>
    expect(await disk.save(snapshot, changed)).toEqual({ ok: true, value: undefined })
  const loaded = async () => {
    const { snapshot, problems } = await openDiskCopy(dir, digests).load()
    return { head: snapshot?.head, keys: new Map(snapshot?.keys), problems }
  }
  const change = (snapshot: Snapshot, key: Resource<'key'> | string, revision: number) => {
    const id = typeof key === 'string' ? key : key.id
    const keys = withChanges<Resource>(
      snapshot.keys,
      new Map([[id, typeof key === 'string' ? null : key]]),
    )
    return { next: at(revision, keys), changed: [{ resource: 'key', id } as const] }
  }

  it('is written in pieces once, then only what changes, and read as it was', async () => {
    const first = await packed()
    await save(first, 'all')
    const two = change(first, keyOf(7, 'b'), 2)
    await save(two.next, two.changed)
    const three = change(two.next, 'k-000009', 3)
    await save(three.next, three.changed)
    const four = change(three.next, keyOf(COUNT + 5), 4)
    await save(four.next, four.changed)
    expect(await bases()).toEqual(['base-1.pack'])
    expect((await readFile(join(dir, 'snapshot-b.json'))).length).toBeLessThan(4_000)
    const expected = new Map<string, Resource>(whole.keys)
    expected.set('k-000007', keyOf(7, 'b')).delete('k-000009')
    expected.set(keyOf(COUNT + 5).id, keyOf(COUNT + 5))
    expect(await loaded()).toEqual({ head: log.at(4).head, keys: expected, problems: [] })
  })

  it('goes on over the base that it finds, and makes a new one of all that has changed', async () => {
    const first = await packed()
    await save(first, 'all')
    const two = change(first, keyOf(7, 'b'), 2)
    await save(two.next, two.changed)
    disk = openDiskCopy(dir, digests)
    const restored = (await disk.load()).snapshot
    if (!restored) throw new Error('nothing was loaded')
    expect(LayeredMap.of<Resource>(restored.keys).base).toBeInstanceOf(PackedMap)
    const three = change(restored, 'k-000009', 3)
    await save(three.next, three.changed)
    expect(await bases()).toEqual(['base-1.pack'])
    await save(three.next, 'all')
    // The generation before still lies over it.
    expect(await bases()).toEqual(['base-1.pack', 'base-4.pack'])
    const four = change(three.next, 'k-000010', 4)
    await save(four.next, 'all')
    expect(await bases()).toEqual(['base-4.pack', 'base-5.pack'])
    const expected = new Map<string, Resource>(whole.keys)
    expected.set('k-000007', keyOf(7, 'b'))
    for (const id of ['k-000009', 'k-000010']) expected.delete(id)
    expect(await loaded()).toEqual({ head: log.at(4).head, keys: expected, problems: [] })
  })

  it('falls back to the generation before where its base is damaged', async () => {
    await save(await packed(), 'all')
    await save(at(2, (await packed()).keys), 'all')
    const path = join(dir, 'base-2.pack')
    const bytes = await readFile(path)
    for (const damage of [bytes.subarray(0, -1), bytes.fill(0, 5_000, 5_010), Buffer.of()]) {
      await writeFile(path, damage)
      const { head, keys, problems } = await loaded()
      expect([head, keys.size]).toEqual([log.at(1).head, COUNT])
      expect(problems).toEqual([expect.stringContaining('base-2.pack')])
    }
    await rm(path)
    expect((await loaded()).head).toEqual(log.at(1).head)
  })

  it('goes on over the base that there is while no other one can be written', async () => {
    const first = await packed()
    await save(first, 'all')
    const blocked = join(dir, 'base.tmp')
    await mkdir(blocked)
    const [some, more] = [all.slice(0, 1_100), all.slice(1_100, 2_300)]
    const changedIn = (keys: readonly Resource[]) =>
      keys.map(({ id }) => ({ resource: 'key', id }) as const)
    const now = (before: Snapshot, keys: readonly Resource[], revision: number) =>
      at(
        revision,
        withChanges<Resource>(
          before.keys,
          new Map(keys.map((one) => [one.id, { ...one, revision }])),
        ),
      )
    const two = now(first, some, 2)
    await save(two, changedIn(some))
    expect(await bases()).toEqual(['base-1.pack'])
    const revisionsOf = async () => {
      const { keys } = await loaded()
      return [all[0], all[1_099], all[1_100]].map((one) => keys.get(one?.id ?? '')?.revision)
    }
    expect(await revisionsOf()).toEqual([2, 2, 1])
    await rm(blocked, { recursive: true })
    const three = now(two, more, 3)
    await save(three, changedIn(more))
    expect(await bases()).toContain('base-3.pack')
    expect(await revisionsOf()).toEqual([2, 2, 3])
  })

  it('goes past what could not be read: it does not come back as the newest', async () => {
    await save(await packed(), 'all')
    const { next, changed } = change(await packed(), keyOf(7, 'b'), 2)
    await save(next, changed)
    const path = join(dir, 'base-1.pack')
    const base = await readFile(path)
    await rm(path)
    expect((await loaded()).keys.size).toBe(0)
    const copy = openDiskCopy(dir, digests)
    expect((await copy.load()).snapshot).toBeNull()
    expect((await copy.save(at(4, (await packed()).keys), 'all')).ok).toBe(true)
    // What was away for a moment is there again.
    await writeFile(path, base)
    expect((await loaded()).head).toEqual(log.at(4).head)
  })

  it('is one text again where the snapshot is small, and its bases go', async () => {
    await save(await packed(), 'all')
    await save(log.at(2), 'all')
    await save(log.at(3), [])
    expect(await loaded()).toMatchObject({ head: log.at(3).head, problems: [] })
    expect(await bases()).toEqual([])
  })

  it('answers an error, and keeps what there is, where a base cannot be written', async () => {
    await save(await packed(), 'all')
    const blocked = join(dir, 'file')
    await writeFile(blocked, '')
    const failed = await openDiskCopy(join(blocked, 'dir')).save(await packed(), 'all')
    expect(failed).toEqual({ ok: false, error: expect.stringContaining('ENOTDIR') })
    expect((await loaded()).head).toEqual(log.at(1).head)
  })
})
