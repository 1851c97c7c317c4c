import { keyIdOf } from '@signalbox/host'
import { type Fixture, MASTER_KEY, startFixture, TOKENS } from './cli-harness.ts'
import { checkKeys } from './doctor-keys.ts'

const KEY = keyIdOf(MASTER_KEY)
const VALUE = 'sk-canary-of-the-command-9a17'
let at: Fixture
beforeEach(async () => {
  at = await startFixture()
})
afterEach(() => at.end())

const set = (args: readonly string[] = [], more: object = {}) =>
  at.run(['secrets', 'set', 's', ...args], { stdin: `${VALUE}\n`, ...more })

describe('a secret', () => {
  it('is set from stdin, changed, listed and deleted', async () => {
    const made = await set(['--origin', 'http://127.0.0.1:8000', '--label', 'team=a'])
    expect([made.code, made.err]).toEqual([0, ''])
    expect(made.out).toMatch(
      /^secret s is set \([0-9a-f]{12}\); it may go to http:\/\/127.0.0.1:8000; no backend/,
    )
    at.write('value.txt', 'sk-other\r\n')
    const changed = await at.run(['secrets', 'set', 's', '--file', 'value.txt', '--json'])
    expect(changed.json).toMatchObject({ revision: 2, spec: { labels: { team: 'a' } } })
    const { out } = await at.run(['secrets', 'list', '--label', 'team=a'])
    expect(out).toMatch(/^ID +FINGERPRINT +ORIGINS +DESCRIPTION +LABELS/)
    at.write(
      'b.yaml',
      'backends: {b1: {kind: vllm, url: "http://127.0.0.1:8000", credential: {secret: s}}}',
    )
    expect((await at.run(['apply', '-f', 'b.yaml'])).code).toBe(0)
    expect((await set()).out).toMatch(/; used by b1\n$/)
    const kept = await at.run(['secrets', 'delete', 's'])
    expect([kept.code, kept.err]).toEqual([3, expect.stringContaining('backend b1 still refers')])
    const gone = await at.run(['secrets', 'delete', 's', '--cascade'])
    expect([gone.code, gone.out]).toEqual([0, expect.stringContaining('b1')])
  })

  it('is typed without an echo on a terminal, and interrupted there', async () => {
    const raw: boolean[] = []
    const rawMode = (on: boolean) => void raw.push(on)
    const made = await set([], { stdin: `${VALUE}x\x7f\r`, rawMode })
    expect([made.code, raw]).toEqual([0, [true, false]])
    expect(`${made.out}${made.err}`).not.toContain(VALUE)
    expect(made.err).toBe('Value of s (it is not shown): \n')
    // The same value: x was taken back.
    expect((await set(['--json'])).json.revision).toBe(1)
    const left = await set([], { stdin: 'sk-\x03', rawMode })
    expect([left.code, raw.length]).toEqual([130, 4])
  })

  it.each([
    ['no value', ['secrets', 'set', 's'], '', 2],
    ['no name', ['secrets', 'set'], VALUE, 2],
    ['a value as an argument', ['secrets', 'set', 's', VALUE], '', 2],
    ['a label that is none', ['secrets', 'set', 's', '--label', 'a'], VALUE, 2],
    ['a file that is not there', ['secrets', 'set', 's', '--file', 'x'], '', 1],
    ['a value of several lines', ['secrets', 'set', 's'], 'a\nb\n', 3],
  ])('is refused with %s', async (_, args, stdin, code) => {
    const done = await at.run(args, { stdin })
    expect([done.code, done.out]).toEqual([code, ''])
    expect((await at.store.head()).revision).toBe(0)
  })

  it('is not set by a dry run', async () => {
    expect(await set(['--dry-run'])).toMatchObject({ code: 0, out: 'secret s would be set\n' })
    expect((await at.store.head()).revision).toBe(0)
  })
})

describe('rewrap', () => {
  it('says what it did, and is for admins', async () => {
    await set()
    const done = await at.run(['secrets', 'rewrap'])
    expect([done.code, done.out]).toEqual([
      ...[0, `nothing to seal anew: all that opens is under key ${KEY}\n`],
    ])
    const { out } = await at.run(['secrets', 'status'])
    expect(out).toMatch(/^KEY +STATE +SECRETS +BACKENDS\n/)
    expect(out).toMatch(new RegExp(`\n${KEY} +current +1 +0\n`))
    const env = { SIGNALBOX_TOKEN: TOKENS.operator }
    expect((await at.run(['secrets', 'rewrap'], { env })).code).toBe(3)
  })
})

describe('the check of the doctor', () => {
  const status = {
    ...{ key: 'aa', previousKeys: [], remaining: 0, missing: [] },
    keys: [{ key: 'aa', state: 'current', secrets: 1, backends: 1 }] as const,
  }
  const former = { key: 'bb', state: 'previous', secrets: 1, backends: 0 } as const
  it.each([
    ['ok', {}, 'all is sealed under aa'],
    ['warn', { previousKeys: ['bb'] }, 'all is sealed under aa; bb can go'],
    ['warn', { remaining: 1, keys: [former] }, '1 still sealed under bb'],
    [
      'fail',
      { missing: ['secret/s'], keys: [{ ...former, key: 'cc', state: 'missing' as const }] },
      'sealed under a key that is not here (cc): secret/s',
    ],
  ])('%s: %j', (state, more, detail) => {
    expect(checkKeys({ ...status, ...more })).toMatchObject({ state, detail })
  })
})
