import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { manifestTrust, openSnapshotFolder, takeSnapshot } from '@signalbox/bus'
import { silentLog } from '@signalbox/host'
import { DOCUMENT, type Fixture, MASTER_KEY, startFixture, TOKENS } from './cli-harness.ts'

let at: Fixture
beforeAll(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  await at.run(['apply', '-f', 'all.yaml'])
})
afterAll(() => at.end())

const trusts = manifestTrust({ masterKey: MASTER_KEY, fleet: 'default' })
const taken = (name: string) =>
  takeSnapshot({ bus: openSnapshotFolder(join(at.path, name)), trusts, log: silentLog })
const chunksIn = (name: string) => readdirSync(join(at.path, name, 'chunks')).sort()

describe('snapshot export', () => {
  it('writes what a member starts from, readable for its owner alone', async () => {
    const { code, out, err } = await at.run(['snapshot', 'export', 'one'])
    expect([code, out, err]).toEqual([0, 'one: revision 1, 3 chunks, 3 of them new\n', ''])
    expect(await taken('one')).toEqual(await at.store.snapshot())
    const [chunk = ''] = chunksIn('one')
    for (const file of ['manifest.json', join('chunks', chunk)]) {
      expect(statSync(join(at.path, 'one', file)).mode & 0o777).toBe(0o600)
    }
  })

  it('fetches only what changed, mends what was damaged, and removes what is over', async () => {
    await at.run(['snapshot', 'export', 'two'])
    const [before, damaged = ''] = [chunksIn('two'), ...chunksIn('two')]
    const nothing = await at.run(['snapshot', 'export', 'two'])
    expect(nothing.out).toContain('3 chunks, 0 of them new')
    writeFileSync(join(at.path, 'two', 'chunks', damaged), 'x')
    expect((await at.run(['snapshot', 'export', 'two'])).out).toContain('1 of them new')
    await at.run(['delete', 'route', 'gpt-4.1'])
    writeFileSync(join(at.path, 'two', 'chunks', 'notes.txt'), 'mine')
    const { json } = await at.run(['snapshot', 'export', 'two', '--json'])
    expect(json).toMatchObject({ revision: 2, epoch: 1, chunks: 2, fetched: 0 })
    expect(chunksIn('two').filter((name) => before.includes(name))).toHaveLength(2)
    expect(chunksIn('two')).toContain('notes.txt')
    expect(await taken('two')).toEqual(await at.store.snapshot())
    await at.run(['rollback', '1'])
  })

  it('is refused without the role, and leaves what was there as it was', async () => {
    await at.run(['snapshot', 'export', 'three'])
    const before = readFileSync(join(at.path, 'three', 'manifest.json'), 'utf8')
    for (const folder of ['three', 'four']) {
      const args = ['snapshot', 'export', folder, '--token', TOKENS.operator]
      const { code, err } = await at.run(args)
      expect([code, err]).toEqual([3, expect.stringContaining('forbidden')])
    }
    expect(readFileSync(join(at.path, 'three', 'manifest.json'), 'utf8')).toBe(before)
    expect(existsSync(join(at.path, 'four'))).toBe(false)
  })

  it('lets one at a time write a folder, and passes over one that has ended', async () => {
    await at.run(['snapshot', 'export', 'locked'])
    const lock = join('locked', '.lock')
    expect(existsSync(join(at.path, lock))).toBe(false)
    at.write(lock, `${process.pid} ${hostname()}\n`)
    const { code, err } = await at.run(['snapshot', 'export', 'locked'])
    expect([code, err]).toEqual([1, expect.stringContaining(`process ${process.pid} of`)])
    at.write(lock, '1 another-machine\n')
    expect((await at.run(['snapshot', 'export', 'locked'])).err).toContain('another-machine')
    at.write(lock, `${2 ** 30} ${hostname()}\n`)
    at.write(join('locked', 'chunks', `${'0'.repeat(64)}.gz.partial`), 'x')
    expect((await at.run(['snapshot', 'export', 'locked'])).code).toBe(0)
    expect(existsSync(join(at.path, lock))).toBe(false)
    expect(chunksIn('locked').filter((name) => name.endsWith('.partial'))).toEqual([])
  })

  it('puts no older one of the same log there', async () => {
    await at.run(['snapshot', 'export', 'newer'])
    const file = join(at.path, 'newer', 'manifest.json')
    const signed = JSON.parse(readFileSync(file, 'utf8'))
    const manifest = JSON.parse(signed.text)
    manifest.head.revision += 1
    const later = JSON.stringify({ ...signed, text: JSON.stringify(manifest) })
    writeFileSync(file, later)
    const { code, err } = await at.run(['snapshot', 'export', 'newer'])
    expect([code, err]).toEqual([1, expect.stringContaining('which is newer than')])
    expect(readFileSync(file, 'utf8')).toBe(later)
  })

  it('says that it cannot write, and that it needs a folder', async () => {
    at.write('file', 'x')
    const { code, err } = await at.run(['snapshot', 'export', 'file'])
    expect([code, err]).toEqual([1, expect.stringMatching(/is not written to file \(E[A-Z]+\)/)])
    rmSync(join(at.path, 'file'))
    expect((await at.run(['snapshot', 'export'])).code).toBe(2)
  })
})
