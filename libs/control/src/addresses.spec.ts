import { type Command } from './command.ts'
import { widensNetwork } from './addresses.ts'
import { decide, decideAll } from './decide.ts'
import { snapshotOf } from './snapshot-harness.ts'

const METADATA = 'http://169.254.169.254/latest'
const given = snapshotOf({
  backends: {
    good: { kind: 'vllm', url: 'http://10.0.0.1:8000' },
    local: { kind: 'ollama', url: 'http://127.0.0.1:11434' },
    old: { kind: 'vllm', url: METADATA },
  },
})
const none = { ifMatch: null }
const patch = (id: string, change: unknown): Command => {
  return { op: 'patch', resource: 'backend', id, patch: change, ...none }
}
const create = (url: string): Command => {
  return { op: 'create', resource: 'backend', id: 'new', spec: { kind: 'vllm', url } }
}
const settings = (...allow: string[]): Command => {
  return { op: 'put', resource: 'settings', id: 'default', spec: { network: { allow } }, ...none }
}

/** The code, and the paths of its fields; undefined where nothing is refused. */
function refusal(...commands: Command[]) {
  const [only] = commands
  const decided = commands.length === 1 && only ? decide(only, given) : decideAll(commands, given)
  if (decided.ok) return undefined
  const { code, message, errors = [] } = decided.error
  return { code, message, paths: errors.map(({ path }) => path) }
}

describe('the address of a backend', () => {
  it.each(['http://10.1.1.1', 'http://localhost:1', 'https://api.test', 'http://[::1]:1'])(
    'may be %s by default',
    (url) => expect(refusal(create(url))).toBeUndefined(),
  )

  it.each([METADATA, 'http://2852039166', 'http://[fe80::1]', 'http://metadata.google.internal'])(
    'may not be %s',
    (url) => {
      expect(refusal(create(url))).toMatchObject({
        code: 'address_not_allowed',
        paths: ['spec.url'],
      })
      expect(refusal(patch('good', { url }))?.code).toBe('address_not_allowed')
    },
  )

  it('is looked at by the settings of the same change, wherever they stand in it', () => {
    expect(
      refusal(create('http://169.254.1.1'), settings('link-local', 'private', 'loopback')),
    ).toBeUndefined()
    expect(refusal(create('http://9.9.9.9'), settings('private', 'loopback'))).toEqual({
      code: 'address_not_allowed',
      message: expect.stringContaining('backend new: the address 9.9.9.9 is public'),
      paths: ['operations.0.spec.url'],
    })
  })

  it('that is stored already does not hold up other changes', () => {
    expect(refusal(patch('old', { weight: 2 }))).toBeUndefined()
    expect(refusal(patch('old', { url: `${METADATA}/x` }))?.code).toBe('address_not_allowed')
  })

  it('is no network of IPv6 that stands for one of IPv4, unless that is stored already', () => {
    const idle = '::ffff:10.0.0.0/104'
    expect(refusal(settings('public', idle))).toMatchObject({
      code: 'validation_failed',
      paths: ['spec.network.allow.1'],
    })
    const stored = snapshotOf({ settings: { default: { network: { allow: [idle] } } } })
    expect(decide(settings(idle, 'public'), stored).ok).toBe(true)
    expect(refusal(settings('public', 'private', 'loopback', '::ffff:1.2.3.4'))).toBeUndefined()
  })

  it('holds settings that would shut it out, unless it goes along', () => {
    const narrow = settings('public', 'loopback')
    expect(refusal(narrow)).toEqual({
      code: 'address_not_allowed',
      message: expect.stringContaining('backend good: the address 10.0.0.1 is private'),
      paths: ['spec.network.allow'],
    })
    expect(refusal(narrow, patch('good', { url: 'https://api.test' }))).toBeUndefined()
    // One that was shut out before is no news.
    expect(refusal(settings('public', 'private', 'loopback', '8.8.8.8'))).toBeUndefined()
  })
})

describe('settings that let backends be in more places', () => {
  const now = snapshotOf({
    settings: { default: { network: { allow: ['public', '10.0.0.0/8'] } } },
  })
  const why = (command: Command) => {
    const decided = decide(command, now)
    if (!decided.ok) throw new Error(JSON.stringify(decided.error))
    return widensNetwork(decided.value, now)
  }

  it('are named, their removal too, which brings the standard back', () => {
    expect(why(settings('public', 'link-local'))).toBe('backends may be in link-local')
    expect(why(settings('public', '10.0.0.0/7'))).toBe('backends may be in 10.0.0.0/7')
    const remove = { op: 'delete', resource: 'settings', id: 'default', ...none } as const
    expect(why(remove)).toBe('backends may be in private')
  })

  it('are not those that let them be in fewer, or say something else', () => {
    expect(why(settings('public'))).toBeUndefined()
    const patched = { clientAuth: 'blocking' }
    expect(
      why({ op: 'patch', resource: 'settings', id: 'default', patch: patched, ...none }),
    ).toBeUndefined()
    expect(widensNetwork([], now)).toBeUndefined()
  })
})
