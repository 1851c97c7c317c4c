import { chmod, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noDisk, openDiskCopy } from './disk-copy.ts'
import { TestLog } from './test-log.harness.ts'

describe('openDiskCopy', () => {
  let root: string
  let dir: string
  const log = new TestLog().appendMany(4)

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'signalbox-disk-'))
    dir = join(root, 'made', 'when', 'needed')
  })

  afterEach(() => rm(root, { recursive: true, force: true }))

  async function saved(...revisions: readonly number[]): Promise<void> {
    const disk = openDiskCopy(dir)
    for (const revision of revisions) {
      expect(await disk.save(log.at(revision), 'all')).toEqual({ ok: true, value: undefined })
    }
  }

  it('answers none where nothing was saved, without a complaint', async () => {
    expect(await openDiskCopy(dir).load()).toEqual({ snapshot: null, problems: [] })
  })

  it.each([[[1]], [[1, 2]], [[1, 2, 3]], [[3, 1]]])('answers the last of %j', async (revisions) => {
    await saved(...revisions)
    const last = log.at(revisions.at(-1) ?? 0)
    expect(await openDiskCopy(dir).load()).toEqual({ snapshot: last, problems: [] })
  })

  it('goes on with the generations that it finds', async () => {
    await saved(1, 2)
    const disk = openDiskCopy(dir)
    await disk.load()
    await disk.save(log.at(3), 'all')
    await writeFile(join(dir, 'snapshot-a.json'), 'torn')
    const loaded = await openDiskCopy(dir).load()
    expect(loaded.snapshot).toEqual(log.at(2))
  })

  it('is readable by its owner only', async () => {
    await saved(1)
    expect((await stat(join(dir, 'snapshot-a.json'))).mode & 0o777).toBe(0o600)
  })

  describe('where the newest generation is damaged', () => {
    const damages: Record<string, (path: string) => Promise<void>> = {
      empty: (path) => truncate(path, 0),
      'cut short': async (path) => truncate(path, (await stat(path)).size - 1),
      'flipped in one bit': async (path) => {
        const bytes = await readFile(path)
        const at = bytes.length - 10
        bytes[at] = (bytes[at] ?? 0) ^ 1
        await writeFile(path, bytes)
      },
      'of another format': (path) => writeFile(path, 'signalbox-disk-copy-9 1 0\n{}'),
    }

    it.each(Object.keys(damages))('(%s) answers the other one and says why', async (name) => {
      await saved(1, 2)
      await damages[name]?.(join(dir, 'snapshot-b.json'))
      const loaded = await openDiskCopy(dir).load()
      expect(loaded.snapshot).toEqual(log.at(1))
      expect(loaded.problems).toEqual([expect.stringContaining('snapshot-b.json')])
    })

    it('overwrites the damaged one next, never the good one', async () => {
      await saved(1, 2)
      await writeFile(join(dir, 'snapshot-b.json'), 'torn')
      const disk = openDiskCopy(dir)
      await disk.load()
      await disk.save(log.at(3), 'all')
      await writeFile(join(dir, 'snapshot-b.json'), 'torn again')
      expect((await openDiskCopy(dir).load()).snapshot).toEqual(log.at(1))
    })
  })

  it('answers none where both are damaged, and can be used again', async () => {
    await saved(1, 2)
    for (const slot of ['a', 'b']) await writeFile(join(dir, `snapshot-${slot}.json`), 'torn')
    const disk = openDiskCopy(dir)
    const loaded = await disk.load()
    expect(loaded.snapshot).toBeNull()
    expect(loaded.problems.length).toBe(2)
    await disk.save(log.at(3), 'all')
    expect((await openDiskCopy(dir).load()).snapshot).toEqual(log.at(3))
  })

  it('ignores what an interrupted write left', async () => {
    await saved(1)
    await writeFile(join(dir, 'snapshot.tmp'), 'half a snap')
    expect(await openDiskCopy(dir).load()).toEqual({ snapshot: log.at(1), problems: [] })
  })

  it('answers an error, and keeps what there is, where it cannot write', async () => {
    await saved(1)
    const blocked = join(root, 'file')
    await writeFile(blocked, '')
    const failed = await openDiskCopy(join(blocked, 'dir')).save(log.at(2), 'all')
    expect(failed).toEqual({ ok: false, error: expect.stringContaining('ENOTDIR') })
    expect((await openDiskCopy(join(blocked, 'dir')).load()).snapshot).toBeNull()
    await chmod(dir, 0o700)
    expect((await openDiskCopy(dir).load()).snapshot).toEqual(log.at(1))
  })
})

describe('noDisk', () => {
  it('keeps nothing', async () => {
    expect(await noDisk.save(new TestLog().state, 'all')).toEqual({ ok: true, value: undefined })
    expect((await noDisk.load()).snapshot).toBeNull()
  })
})
