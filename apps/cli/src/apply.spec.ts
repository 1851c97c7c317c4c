import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DOCUMENT, type Fixture, startFixture } from './cli-harness.ts'

let at: Fixture
beforeEach(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
})
afterEach(() => at.end())

const head = async () => (await at.store.head()).revision

describe('apply', () => {
  it('is one revision, said with its changes, and none where nothing changes', async () => {
    const first = await at.run(['apply', '-f', 'all.yaml'])
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toMatch(/^\+ backend b1\n\+ backend b2\n\+ route gpt-4\.1\n/)
    expect(first.out).toMatch(/revision 1: 4 changes\n$/)
    const again = await at.run(['apply', '-f', 'all.yaml'])
    expect(again).toMatchObject({ code: 0, out: 'nothing to change at revision 1\n' })
    at.write('all.yaml', DOCUMENT.replace('{zone: a}', '{zone: b, gpu: h100}'))
    const other = await at.run(['apply', '-f', 'all.yaml'])
    expect(other.out).toContain('~ backend b2\n')
    expect(other.out).toContain('    ~ labels.zone: "a" -> "b"\n')
    expect(other.out).toContain('    + labels.gpu: "h100"\n')
    expect(await head()).toBe(2)
  })

  it('says who it is and why', async () => {
    await at.run(['apply', '-f', 'all.yaml', '--reason', 'größer — 100%'])
    expect((await at.store.revision(1))?.body).toMatchObject({
      source: 'cli',
      reason: 'größer — 100%',
    })
  })

  it('writes nothing in a dry run', async () => {
    const { out } = await at.run(['apply', '-f', 'all.yaml', '--dry-run'])
    expect(out).toMatch(/^\+ backend b1\n {4}\+ kind: "vllm"\n/)
    expect(out).toMatch(/dry run: 4 changes to revision 0, nothing written\n$/)
    expect(await head()).toBe(0)
  })

  it('answers as the server does with --json', async () => {
    const { json } = await at.run(['apply', '-f', 'all.yaml', '--json'])
    expect(json).toMatchObject({ revision: 1, changes: [{}, {}, {}, {}] })
  })

  it('reads a directory in name order, TOML, JSON and stdin, as one revision', async () => {
    at.write('dir/b.toml', '[backends.t1]\nkind = "vllm"\nurl = "http://127.0.0.1:8002"\n')
    at.write(
      'dir/a.json',
      '{"resource":"backend","id":"j1","spec":{"kind":"vllm","url":"http://x"}}',
    )
    at.write('dir/notes.txt', 'no configuration')
    at.write('dir/.hidden.yaml', 'neither: this')
    const stdin = '# nothing\n---\nresource: policies\nid: p1\nspec: {strategy: RoundRobin}\n---\n'
    const { out, code } = await at.run(['apply', '-f', 'dir', '-f', '-'], { stdin })
    expect(code).toBe(0)
    expect(out).toMatch(
      /\+ backend j1\n[\s\S]*\+ backend t1\n[\s\S]*\+ policy p1\n[\s\S]*3 changes/,
    )
    expect(await head()).toBe(1)
  })

  it('keeps a set, prunes what is gone from it, and holds back a large prune', async () => {
    await at.run(['apply', '-f', 'all.yaml', '--set', 'team'])
    at.write(
      'less.yaml',
      'backends: {b1: {kind: vllm, url: "http://127.0.0.1:8000", models: [m1]}}',
    )
    const held = await at.run(['apply', '-f', 'less.yaml', '--set', 'team', '--prune'])
    expect(held).toMatchObject({ code: 3, err: expect.stringContaining('prune_too_large') })
    const foreign = await at.run(['apply', '-f', 'less.yaml', '--set', 'other'])
    expect(foreign.err).toMatch(
      /owned_by_set.*\nless\.yaml:1:12: backends\.b1: belongs to the set team/,
    )
    const forced = ['apply', '-f', 'less.yaml', '--set', 'team', '--prune', '--force']
    expect((await at.run(forced)).out).toMatch(/- backend b2\n/)
    expect((await at.run(['get', 'backends', '--json'])).json.items).toHaveLength(1)
  })
})

describe('apply --wait', () => {
  it('tells that a proxy has it', async () => {
    const proxy = at.connect()
    proxy.sendHeartbeat(await at.heartbeat(0))
    proxy.onRevision(async ({ revision }) => proxy.sendHeartbeat(await at.heartbeat(revision)))
    const { code, out } = await at.run(['apply', '-f', 'all.yaml', '--wait', '20s'])
    expect(out).toMatch(/proxies: 1 applied, 0 pending, 0 refused \(\d+ ms\)\n$/)
    expect(code).toBe(0)
    await proxy.close()
  })

  it('fails where a proxy refused it, and names it', async () => {
    const proxy = at.connect()
    const nack = { revision: 1, resource: 'backend', id: 'b1', code: 'x', message: 'too odd' }
    proxy.sendHeartbeat(await at.heartbeat(0, { nacks: [nack] }))
    const { code, out } = await at.run(['apply', '-f', 'all.yaml', '--wait', '20s'])
    expect(out).toMatch(/1 refused \(\d+ ms\)\n {2}p1: refused backend b1: too odd\n$/)
    expect(code).toBe(1)
    await proxy.close()
  })
})

describe('problems of an apply', () => {
  it('name file, line and column where the server refuses', async () => {
    at.write('dir/a.yaml', 'backends:\n  b.1:\n    kind: vllm\n    url: nowhere\n    wieght: 2\n')
    const json = '{\n  "resource": "backend", "id": "c",\n  "spec": {\n    "kind": "none"\n  }\n}\n'
    at.write('dir/b.json', json)
    at.write('dir/c.toml', '[backends.t]\nkind = "vllm"\n  url = 3\n')
    const { err, code, out } = await at.run(['apply', '-f', 'dir'])
    expect([code, out]).toEqual([3, ''])
    expect(err).toMatch(/^signalbox: validation_failed: the configuration is not valid\. Correct/)
    expect(err).toMatch(/\ndir\/a\.yaml:4:5: backends\.b\.1\.url: /)
    expect(err).toMatch(
      /\ndir\/a\.yaml:5:5: backends\.b\.1\.wieght: unknown field; expected kind, url/,
    )
    expect(err).toMatch(/\ndir\/b\.json:4:5: backends\.c\.kind: /)
    expect(err).toMatch(/\ndir\/b\.json:3:3: backends\.c\.url: /)
    expect(err).toMatch(/\ndir\/c\.toml:3:3: backends\.t\.url: /)
    expect(await head()).toBe(0)
  })

  it('of syntax are told together, before anything is sent', async () => {
    at.write('a.yaml', 'backends:\n  b1: [1\n')
    at.write('b.json', '{\n  "backends": {},\n}')
    at.write('c.toml', 'apiKey = "sk-canary\n')
    at.write('d.yaml', 'backdoors: {}\n---\nresource: route\nid: r1\n')
    const files = ['a.yaml', 'b.json', 'c.toml', 'd.yaml'].flatMap((file) => ['-f', file])
    const { err, code } = await at.run(['apply', ...files, '--url', 'http://127.0.0.1:9'])
    expect(code).toBe(1)
    expect(err).toMatch(
      /^signalbox: invalid_input: \d problems in what was read; nothing was sent\n/,
    )
    expect(err).toMatch(/\na\.yaml:3:1: /)
    expect(err).toMatch(/\nb\.json:3:1: is not valid JSON\n/)
    expect(err).toMatch(/\nc\.toml:1:\d+: /)
    expect(err).toMatch(/\nd\.yaml:1:1: backdoors: unknown; expected one of backends, routes/)
    expect(err).toMatch(/\nd\.yaml:3:1: spec: expected a mapping\n$/)
    expect(err).not.toContain('canary')
  })

  it('name both places of an id that stands twice', async () => {
    at.write('dir/a.yaml', 'backends:\n  b1: {kind: vllm}\n  b1: {kind: tgi}\n')
    at.write('dir/b.yaml', 'resource: backend\nid: b1\nspec: {kind: vllm}\n')
    const { err, code } = await at.run(['apply', '-f', 'dir'])
    expect(code).toBe(1)
    expect(err).toContain(
      'dir/a.yaml:3:3: backends.b1: stands twice; the other is at dir/a.yaml:2:3',
    )
    expect(err).toContain(
      'dir/b.yaml:3:1: backends.b1: stands twice; the other is at dir/a.yaml:2:3',
    )
  })

  it('name a variable that is not set, and never what one holds', async () => {
    const spec = '{kind: vllm, url: "http://${HOST}:${PORT:-8000}", apiKey: "${KEY}"}'
    at.write('a.yaml', `backends:\n  b1: ${spec}\n`)
    const missing = await at.run(['apply', '-f', 'a.yaml'], { env: { KEY: 'sk-canary' } })
    expect(missing.code).toBe(1)
    expect(missing.err).toContain('a.yaml:2:20: backends.b1.url: the variable HOST is not set\n')
    expect(missing.err).not.toContain('canary')
    const env = { KEY: 'sk-canary', HOST: 'localhost' }
    const done = await at.run(['apply', '-f', 'a.yaml'], { env })
    expect(done.code).toBe(0)
    const stored = await at.run(['get', 'backend', 'b1', '--json'])
    expect(stored.json.spec.url).toBe('http://localhost:8000')
    expect(done.out + done.err + stored.out).not.toContain('canary')
  })

  it('refuse what holds nothing, is not there, or is of no known format', async () => {
    at.write('empty.yaml', '# nothing\n')
    at.write('dir/readme.md', '')
    at.write('x.ini', '')
    expect((await at.run(['apply', '-f', 'empty.yaml', '--prune'])).err).toContain('no documents')
    expect((await at.run(['apply', '-f', 'dir'])).code).toBe(1)
    expect((await at.run(['apply', '-f', 'none.yaml'])).err).toContain('cannot be read (ENOENT)')
    expect((await at.run(['apply', '-f', 'x.ini'])).code).toBe(2)
    expect((await at.run(['apply'])).code).toBe(2)
    writeFileSync(join(at.path, 'latin.yaml'), Buffer.from([0x61, 0x3a, 0xe4]))
    expect((await at.run(['apply', '-f', 'latin.yaml'])).err).toContain('latin.yaml is not UTF-8')
  })
})

describe('diff', () => {
  it('shows what an apply would do, and writes nothing', async () => {
    const { out, code } = await at.run(['diff', '-f', 'all.yaml'])
    expect(out).toMatch(/\+ backend b1\n/)
    expect(code).toBe(0)
    expect((await at.run(['diff', '-f', 'all.yaml', '--exit-code'])).code).toBe(1)
    expect(await head()).toBe(0)
  })

  it('compares two revisions, and one with now', async () => {
    await at.run(['apply', '-f', 'all.yaml'])
    at.write('all.yaml', DOCUMENT.replace('LeastLatency', 'RoundRobin'))
    await at.run(['apply', '-f', 'all.yaml'])
    const expected = '~ policy fast\n    ~ strategy: "LeastLatency" -> "RoundRobin"\n'
    expect((await at.run(['diff', '1'])).out).toBe(expected)
    expect((await at.run(['diff', '1', '2'])).out).toBe(expected)
    expect((await at.run(['diff', '2', '2'])).err).toBe('no difference\n')
    expect((await at.run(['diff', '1', '9'])).code).toBe(3)
  })

  it('refuses to guess', async () => {
    expect((await at.run(['diff'])).code).toBe(2)
    expect((await at.run(['diff', '1', '-f', 'all.yaml'])).code).toBe(2)
  })
})

describe('a lost answer', () => {
  let between: Server | undefined
  afterEach(() => between?.close())

  /** Passes calls on, and breaks the first `lost` answers off. */
  async function through(lost: number): Promise<{ url: string; keys: (string | undefined)[] }> {
    const keys: (string | undefined)[] = []
    between = createServer((request, response) => {
      keys.push(request.headers['idempotency-key'] as string | undefined)
      const headers = Object.fromEntries(
        Object.entries(request.headers).filter(
          ([name]) => !/^(host|connection|.*-length)$/.test(name),
        ),
      ) as Record<string, string>
      void (async () => {
        const parts: Buffer[] = []
        for await (const part of request) parts.push(part as Buffer)
        const init = { method: request.method ?? '', headers, body: Buffer.concat(parts) }
        const answer = await fetch(`${at.base}${request.url}`, init)
        const text = await answer.text()
        if (keys.length <= lost) request.socket.destroy()
        else response.writeHead(answer.status).end(text)
      })()
    })
    await new Promise<void>((resolve) => between?.listen(0, '127.0.0.1', resolve))
    const { port } = between.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}`, keys }
  }

  it('is asked for once more under the same key: still one revision', async () => {
    const { url, keys } = await through(1)
    const { code, out } = await at.run(['apply', '-f', 'all.yaml', '--url', url])
    expect([code, out.endsWith('revision 1: 4 changes\n')]).toEqual([0, true])
    expect(keys).toHaveLength(2)
    expect(keys[0]).toBe(keys[1])
    expect(await head()).toBe(1)
  })

  it('is given up the second time', async () => {
    const { url, keys } = await through(2)
    const { code, err } = await at.run(['apply', '-f', 'all.yaml', '--url', url])
    expect([code, keys.length]).toEqual([4, 2])
    expect(err).toMatch(/^signalbox: unreachable: /)
  })
})
