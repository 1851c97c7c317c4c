import { execFileSync } from 'node:child_process'
import { type Folder, makeFolder } from './cli-harness.ts'

let folder: Folder
beforeAll(() => (folder = makeFolder()))
afterAll(() => folder.remove())

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s knows commands, kinds and options', async (shell) => {
    const { out, code, err } = await folder.run(['completion', shell])
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/"[^"\n]*get describe apply[^"\n]*--url/)
    expect(out).toMatch(/"audit".*"verify export checkpoint denials/)
    expect(out).toMatch(/"get".*"backend route policy set key principal settings secret --as-of/)
  })

  it('for bash completes what is typed', async () => {
    const { out } = await folder.run(['completion', 'bash'])
    const completed = (...words: readonly string[]) => {
      const typed = words.map((word) => `'${word}'`).join(' ')
      const script = `${out}\nCOMP_WORDS=(signalbox ${typed}); COMP_CWORD=${words.length}
        _signalbox; echo "\${COMPREPLY[@]}"`
      return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim()
    }
    expect(completed('de')).toBe('describe delete')
    expect(completed('--json', 'get', 'ba')).toBe('backend')
    expect(completed('audit', 've')).toBe('verify')
    expect(completed('audit', 'verify', '--ch')).toBe('--checkpoint')
    expect(completed('apply', '-f', 'x', '--pr')).toBe('--prune')
    expect(completed('get', 'nothing')).toBe('')
  })

  it('refuses a shell that it does not know', async () => {
    expect((await folder.run(['completion', 'tcsh'])).code).toBe(2)
    expect((await folder.run(['completion', 'toString'])).code).toBe(2)
  })
})

describe('the command itself', () => {
  it('tells its version and its use on stdout', async () => {
    expect(await folder.run(['--version'])).toMatchObject({ code: 0, out: 'dev\n', err: '' })
    const { out, code } = await folder.run(['--help'])
    expect(code).toBe(0)
    expect(out).toMatch(/^Usage: signalbox/)
    expect(out).toContain('130 interrupted')
  })

  it('refuses what it does not know with 2, and says what was meant', async () => {
    expect(await folder.run(['aply'])).toMatchObject({
      code: 2,
      out: '',
      err: "signalbox: usage: unknown command 'aply'\n(Did you mean apply?)\n",
    })
    expect((await folder.run(['get', 'backends', '--nope'])).code).toBe(2)
    expect((await folder.run(['get', 'backends', 'b1', 'b2'])).code).toBe(2)
  })

  it('says wrong use as JSON where JSON is wanted', async () => {
    const { out, err, code } = await folder.run(['get', '--json'])
    expect([code, out]).toEqual([2, ''])
    expect(JSON.parse(err)).toEqual({
      error: { exitCode: 2, code: 'usage', detail: "missing required argument 'kind'" },
    })
  })

  it('without anything tells its use, as a wrong one', async () => {
    expect(await folder.run([])).toMatchObject({ code: 2, err: expect.stringMatching(/^Usage/) })
    expect((await folder.run(['audit'])).code).toBe(2)
  })
})
