import { DOCUMENT, type Fixture, startFixture } from './cli-harness.ts'

let at: Fixture
beforeAll(async () => {
  at = await startFixture()
})
afterAll(() => at.end())

const TARGETS = 'tiers: [{ targets: [{ backend: b1 }] }]'
const MORE = `policies: { spare: { prompts: { backends: { b1: { text: Be brief. } } } } }
routes:
  last: { ${TARGETS}, policy: spare }
  middle: { ${TARGETS}, fallbacks: [last] }
  first: { ${TARGETS}, fallbacks: [middle] }
settings: { default: { implicitPolicy: spare } }
`

it('describe names who uses it, also through fallbacks and for models of no route', async () => {
  at.write('all.yaml', DOCUMENT)
  at.write('more.yaml', MORE)
  const usersOf = async (kind: string, id: string) =>
    (await at.run(['describe', kind, id, '--json'])).json.usedBy
  expect((await at.run(['apply', '-f', 'all.yaml', '-f', 'more.yaml'])).err).toBe('')
  expect(await usersOf('policy', 'spare')).toEqual([
    'route/last',
    'route/middle (falls back to last)',
    'route/first (falls back to middle)',
    'settings/default',
  ])
  expect(await usersOf('policy', 'fast')).toEqual(['route/gpt-4.1'])
  expect(await usersOf('route', 'middle')).toEqual(['route/first (falls back to middle)'])
  expect(await usersOf('route', 'first')).toEqual([])
  expect(await usersOf('backend', 'b1')).toContain('policy/spare')
})

it('principals show when they were last seen, and of a revision nothing of now', async () => {
  for (const id of ['ci', 'idle']) await at.run(['principals', 'create', id, '--role', 'viewer'])
  const seen = '2026-01-02T03:04:05.000Z'
  await at.store.noteUses(new Map([['ci', new Date(seen)]]))
  const { out } = await at.run(['get', 'principals'])
  expect(out).toMatch(/^ID +ROLE .* LABELS +LAST USED +REVISION +UPDATED\n/)
  expect(out).toMatch(new RegExp(`^ci +viewer .* ${seen} +\\d+ `, 'm'))
  expect(out).toMatch(/^idle +viewer .* - +- +\d+ /m)
  const { revision } = await at.store.head()
  const then = await at.run(['get', 'principals', '--as-of', String(revision)])
  expect(then.out).not.toContain('LAST USED')
  const described = await at.run(['describe', 'principal', 'ci', '--json'])
  expect(described.json.lastUsedAt).toBe(seen)
  expect((await at.run(['describe', 'principal', 'idle'])).out).toMatch(/^lastUsedAt: null$/m)
})
