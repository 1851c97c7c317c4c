// The command as a process of its own: the bundle that `npm run signalbox` and `npx signalbox` run.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packagesAtStart } from '@signalbox/testing'
import { DOCUMENT, type Fixture, startFixture, TOKENS } from './cli-harness.ts'

const main = join(import.meta.dirname, '../../../dist/cli/main.js')

let at: Fixture
beforeAll(async () => {
  at = await startFixture()
})
afterAll(() => at.end())

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Settles when stdout holds this, or when the process has ended. */
  readonly said: (pattern: RegExp) => Promise<unknown>
}

function start(args: readonly string[], stdin = ''): Started {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: at.path,
    env: { PATH: process.env['PATH'] ?? '', SIGNALBOX_URL: at.base, HOME: at.path },
  })
  let [out, err] = ['', '']
  const waiting: (() => void)[] = []
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part
    for (const look of waiting) look()
  })
  child.stderr.setEncoding('utf8').on('data', (part: string) => (err += part))
  child.stdin.end(stdin)
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, out, err }))
  })
  const said = (pattern: RegExp) => {
    const heard = new Promise<void>((resolve) => {
      const look = () => pattern.test(out) && resolve()
      waiting.push(look)
      look()
    })
    return Promise.race([heard, ended])
  }
  return { child, ended, said }
}

const run = (args: readonly string[], stdin?: string) => start(args, stdin).ended

describe('the bundle', () => {
  it('applies from stdin with the token of npm start, exports, verifies, and is refused', async () => {
    at.write('.signalbox/admin-token', `${TOKENS.admin}\n`)
    const applied = await run(['apply', '-f', '-', '--reason', 'e2e'], DOCUMENT)
    expect(applied).toMatchObject({ code: 0, err: '' })
    expect(applied.out).toContain('revision 1: 4 changes')
    const bad = await run(['apply', '-f', '-'], 'backends:\n  b1: {kind: vllm, url: nowhere}\n')
    expect(bad.code).toBe(3)
    expect(bad.err).toMatch(/\n<stdin>:2:20: backends\.b1\.url: /)
    expect((await run(['export'])).out).toMatch(/^backends:\n {2}b1:\n/)
    expect((await run(['get', 'backend', 'b1', '-o', 'yaml'])).out).toMatch(/^id: b1\n/)
    expect((await run(['describe', 'backend', 'b1'])).out).toMatch(/^backend: b1\n/)
    expect((await run(['audit', 'export', '-o', 'log.ndjson'])).code).toBe(0)
    expect(existsSync(join(at.path, 'log.ndjson'))).toBe(true)
    const verified = await run(['audit', 'verify', '--file', 'log.ndjson', '--json'])
    expect(JSON.parse(verified.out)).toMatchObject({ ok: true, revision: 1 })
    expect((await run(['get', 'backends', '--url', 'http://127.0.0.1:9'])).code).toBe(4)
    expect((await run(['get'])).code).toBe(2)
  })

  it('finds a context, and imports', async () => {
    at.write('.config/signalbox/config.yaml', `contexts: {here: {url: "${at.base}"}}\n`)
    expect((await run(['get', 'sets', '--context', 'here'])).code).toBe(0)
    expect((await run(['get', 'sets', '--context', 'there'])).code).toBe(2)
    at.write(
      'l.yaml',
      'model_list: [{model_name: x, litellm_params: {model: openai/x, api_key: k}}]',
    )
    const { out, err } = await run(['import', 'litellm', 'l.yaml'])
    expect(out).toContain('  openai:\n')
    expect(err).toBe('keys stand in it as they are: 1; keep it secret\n')
  })

  it('ends with 130 when it is interrupted', async () => {
    const watching = start(['fleet', '--watch', '--token', TOKENS.viewer])
    await watching.said(/revision/)
    watching.child.kill('SIGINT')
    expect(await watching.ended).toMatchObject({ code: 130, err: '' })
  })

  it('ends quietly when nobody reads on', async () => {
    const watching = start(['completion', 'bash'])
    watching.child.stdout?.destroy()
    expect(await watching.ended).toMatchObject({ code: 0, err: '' })
  })

  it('holds four packages, none of them a logger, and loads but one before it knows why', () => {
    const folder = join(main, '..')
    const packages: Record<string, string[]> = JSON.parse(
      readFileSync(join(folder, 'meta.json'), 'utf8'),
    )
    const all = new Set(Object.values(packages).flat())
    expect([...all].sort()).toEqual(['commander', 'smol-toml', 'yaml', 'zod'])
    expect(packagesAtStart(folder)).toEqual(['commander'])
  })
})
