import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { publicKeyOf, sha256, signBytes, signingKey } from '@signalbox/host'
import { signCheckpoint, verifierKey } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { DOCUMENT, type Fixture, makeFolder, startFixture, TOKENS } from './cli-harness.ts'

let at: Fixture
let key: string
let lines: string[]

beforeAll(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  await at.run(['apply', '-f', 'all.yaml'])
  await at.run(['delete', 'route', 'gpt-4.1'])
  await at.run(['rollback', '1'])
  await at.run(['audit', 'export', '-o', 'export.ndjson'])
  lines = readFileSync(join(at.path, 'export.ndjson'), 'utf8').trimEnd().split('\n')
  key = JSON.parse(lines[0] ?? '').key
  at.write('key.txt', `${key}\n`)
})
afterAll(() => at.end())

/** Verifies lines of an export, where there is no server. */
async function verify(changed: readonly string[], ...more: string[]) {
  const alone = makeFolder({ SIGNALBOX_URL: 'http://127.0.0.1:9' })
  try {
    alone.write('x.ndjson', changed.map((line) => `${line}\n`).join(''))
    for (const name of ['key.txt', 'kept.txt', 'forged.txt']) alone.write(name, textOf(name))
    return await alone.run(['audit', 'verify', '--file', 'x.ndjson', '--key', 'key.txt', ...more])
  } finally {
    alone.remove()
  }
}

function textOf(name: string): string {
  try {
    return readFileSync(join(at.path, name), 'utf8')
  } catch {
    return ''
  }
}

const without = (index: number) => lines.filter((_, i) => i !== index)

describe('audit verify', () => {
  it('asks the server', async () => {
    const { hash } = await at.store.head()
    const { code, out } = await at.run(['audit', 'verify'])
    expect([code, out]).toEqual([0, `the log is whole: 3 revisions, 0 checkpoints, hash ${hash}\n`])
  })

  it('finds an export whole without a server', async () => {
    const { code, out, err } = await verify(lines)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/^x\.ndjson is whole: 3 revisions, 1 checkpoint, hash [0-9a-f]{64}\n$/)
  })

  it('says that the key of the export itself proves no origin', async () => {
    const { code, err } = await at.run(['audit', 'verify', '--file', 'export.ndjson'])
    expect([code, err]).toEqual([0, expect.stringMatching(/^no --key: /)])
  })

  it('names the revision that was edited', async () => {
    const edited = lines.map((line) => line.replace('gpt-4.1', 'gpt-4.2'))
    const { code, out } = await verify(edited)
    expect(code).toBe(1)
    expect(out).toMatch(
      /^x\.ndjson is not what it should be\n {2}revision 1: its bytes do not give/,
    )
  })

  it('names what stands where one was removed, or two changed places', async () => {
    const removed = await verify(without(2))
    expect([removed.code, removed.out]).toEqual([
      1,
      expect.stringContaining('revision 3: follows revision 1'),
    ])
    const [first = '', one = '', two = '', ...rest] = lines
    const reordered = await verify([first, two, one, ...rest])
    expect(reordered.code).toBe(1)
    expect(reordered.out).toContain('revision 2: follows revision 0')
  })

  it('sees a tail that is cut off: by lines, inside of one, and with the checkpoint left', async () => {
    const cut = await verify(lines.slice(0, 3))
    expect([cut.code, cut.out]).toEqual([1, expect.stringContaining('last revision: cut off')])
    const inside = await verify([...lines.slice(0, -1), (lines.at(-1) ?? '').slice(0, 40)])
    expect(inside.out).toMatch(/line 5: is not a whole line of JSON/)
    const hidden = await verify(without(3))
    expect(hidden.out).toMatch(/revision 2: the log ends here, but a checkpoint says that it had 3/)
  })

  it('takes checkpoints that were kept elsewhere, and refuses forged ones', async () => {
    const note = await at.run(['audit', 'checkpoint'])
    expect(note.err).toBe(`key: ${key}\n`)
    at.write('kept.txt', note.out)
    expect((await verify(lines, '--checkpoint', 'kept.txt')).out).toContain('2 checkpoints')
    const shorter = [...lines.slice(0, 2), ...lines.slice(4)]
    expect((await verify(shorter, '--checkpoint', 'kept.txt')).code).toBe(1)
    at.write('forged.txt', note.out.replace('\n3\n', '\n2\n'))
    const forged = await verify(lines, '--checkpoint', 'forged.txt')
    expect([forged.code, forged.out]).toEqual([
      1,
      expect.stringContaining('the checkpoint in forged.txt: not signed with this key'),
    ])
  })

  it('sees a log that was written anew and signed with another key', async () => {
    const other = signingKey(randomBytes(32), 'default')
    const { origin, ...head } = JSON.parse(lines[3] ?? '') as Record<string, never>
    const { lineage } = JSON.parse(lines[0] ?? '')
    const name = `signalbox/default/${lineage}`
    const publicKey = publicKeyOf(other)
    const signer = { publicKey, sha256, sign: (bytes: Uint8Array) => signBytes(bytes, other) }
    const checkpoint = { ...(head as object), origin: origin ?? name } as never
    const note = signCheckpoint(checkpoint, signer)
    const first = { ...JSON.parse(lines[0] ?? ''), key: verifierKey(name, publicKey, sha256) }
    const anew = [
      JSON.stringify(first),
      ...lines.slice(1, 4),
      JSON.stringify({ kind: 'checkpoint', note }),
    ]
    const { code, out } = await verify(anew)
    expect(code).toBe(1)
    expect(out).toContain('line 1: its key is not the one of --key')
    expect(out).toContain('line 5: its checkpoint: not signed with this key')
  })

  it('refuses what is no export, and a key that is none', async () => {
    expect((await verify(['{}', '[1]', 'x'])).out).toMatch(
      /line 1: .*\n {2}line 2: .*\n {2}line 3: /,
    )
    expect((await verify([])).code).toBe(1)
    const args = ['audit', 'verify', '--file']
    expect((await at.run([...args, 'none'])).err).toContain('none cannot be read (ENOENT)')
    expect((await at.run([...args, 'export.ndjson', '--key', 'all.yaml'])).code).toBe(2)
    expect((await at.run(['audit', 'verify', '--key', 'key.txt'])).code).toBe(2)
  })
})

describe('audit export', () => {
  it('writes the same to a file that only its owner reads, and to stdout', async () => {
    const { out } = await at.run(['audit', 'export'])
    expect(out).toBe(readFileSync(join(at.path, 'export.ndjson'), 'utf8'))
    expect(statSync(join(at.path, 'export.ndjson')).mode & 0o777).toBe(0o600)
  })

  it('refuses without the role, and leaves no file', async () => {
    const args = ['audit', 'export', '-o', 'no.ndjson', '--token', TOKENS.operator]
    const { code, err } = await at.run(args)
    expect([code, err]).toEqual([3, expect.stringContaining('forbidden')])
    expect(textOf('no.ndjson')).toBe('')
    expect((await at.run(['audit', 'export', '-o', 'no/where'])).code).toBe(1)
  })
})

describe('audit denials', () => {
  it('lists who was refused what', async () => {
    await at.run(['delete', 'policy', 'fast', '--token', TOKENS.viewer])
    let out = ''
    await eventually(async () => {
      out = (await at.run(['audit', 'denials'])).out
      return / viewer .* DELETE +\/admin\/v1\/policies\/fast +403 +forbidden\n/.test(out)
    })
    expect(out).toMatch(/^AT +ACTOR +ROLE +ADDRESS +METHOD +PATH +STATUS +CODE\n/)
    expect((await at.run(['audit', 'denials', '--token', TOKENS.viewer])).code).toBe(3)
  })
})
