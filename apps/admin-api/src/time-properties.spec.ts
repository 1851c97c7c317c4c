// What random writes over all kinds leave behind, and the ways back through it, over real HTTP.
import fc from 'fast-check'
import { CONFIG_RESOURCES, ROLLED_BACK } from '@signalbox/control'
import { DEFINITIONS, WRITABLE, type WritableName } from '@signalbox/model'
import { type Api, SPEC, startApi } from './api-harness.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api.end())

const TEST_MS = 300_000
/** A run goes on where the one before has ended, so that one that fails is not to be shrunk. */
const RUNS = { numRuns: 8, endOnFailure: true }

interface Step {
  readonly method: 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly spec?: object
}

const backend = fc.constantFrom('b1', 'b2', 'b3')
const policy = fc.constantFrom('p1', 'p2')
const policyOrDefault = fc.constantFrom('p1', 'p2', 'default')
const weight = fc.integer({ min: 1, max: 5 })
const labels = fc.dictionary(fc.constantFrom('zone', 'team'), fc.constantFrom('x', 'y'))
const specs: Readonly<Record<WritableName, fc.Arbitrary<object>>> = {
  backend: fc.record({
    kind: fc.constant(SPEC.kind),
    url: fc.constant(SPEC.url),
    weight,
    labels,
    credential: fc.option(fc.constant({ secret: 's1' }), { nil: undefined, freq: 3 }),
  }),
  route: fc.record({
    tiers: backend.map((one) => [{ targets: [{ backend: one }] }]),
    policy: policyOrDefault,
    aliases: fc.subarray(['a1', 'a2'], { maxLength: 1 }),
    labels,
  }),
  policy: fc.record({
    retry: weight.map((maxRetries) => ({ maxRetries })),
    prompts: fc
      .option(backend, { nil: undefined })
      .map((one) => ({ backends: one === undefined ? {} : { [one]: { text: 'Be brief.' } } })),
  }),
  set: fc.record({ members: fc.subarray(['backend/b1', 'route/m1', 'policy/p1', 'secret/s1']) }),
  key: fc.record({ owner: fc.constantFrom('x', 'y') }),
  principal: fc.record({ role: fc.constantFrom('viewer', 'operator') }),
  settings: fc.record({
    clientAuth: fc.constantFrom('permissive', 'blocking'),
    implicitPolicy: policyOrDefault,
  }),
  secret: fc.record({ value: fc.constantFrom('one', 'other'), labels }),
}
const IDS: Readonly<Record<WritableName, fc.Arbitrary<string>>> = {
  backend,
  policy,
  route: fc.constantFrom('m1', 'm2'),
  set: fc.constant('t1'),
  key: fc.constantFrom('k1', 'k2'),
  principal: fc.constant('c1'),
  settings: fc.constant('default'),
  secret: fc.constant('s1'),
}
/** What the others refer to comes up more often, so that not all is refused. */
const kind = fc.constantFrom(...WRITABLE, 'backend', 'backend', 'policy', 'route' as const)

const step: fc.Arbitrary<Step> = kind.chain((name) => {
  const path = IDS[name].map((id) => `${DEFINITIONS[name].plural}/${id}`)
  const put = fc.record({ method: fc.constant('PUT' as const), path, spec: specs[name] })
  const remove = path.chain((at) =>
    fc.constantFrom('', '?cascade=true').map((query): Step => {
      return { method: 'DELETE', path: `${at}${query}` }
    }),
  )
  const spec = labels.map((some) => ({ labels: some }))
  const patch = fc.record({ method: fc.constant('PATCH' as const), path, spec })
  return fc.oneof({ weight: 6, arbitrary: put }, { weight: 1, arbitrary: remove }, patch)
})
const steps = fc.array(step, { minLength: 5, maxLength: 20 })

type Config = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const configAt = async (asOf?: number): Promise<Config> =>
  (await api.call('GET', asOf === undefined ? 'config' : `config?asOf=${asOf}`)).json
const headRevision = async () => (await api.store.head()).revision

/** Answers the revision before them and the one after. Every refusal is one that people may get. */
async function take(all: readonly Step[]): Promise<readonly [number, number]> {
  const first = await headRevision()
  for (const { method, path, spec } of all) {
    const { status, json } = await api.call(method, path, spec ? { body: { spec } } : {})
    if (status >= 300) expect([path, REFUSED.includes(json.code)]).toEqual([path, true])
  }
  return [first, await headRevision()]
}
const REFUSED = [
  ...[
    'dangling_reference',
    'still_referenced',
    'duplicate_alias',
    'not_found',
    'validation_failed',
  ],
  'forbidden',
]

/** What a rollback of everything brings back of a document, and what it leaves as it is. */
const parted = (config: Config, back: boolean) =>
  CONFIG_RESOURCES.filter((name) => (ROLLED_BACK as readonly string[]).includes(name) === back).map(
    (name) => config[DEFINITIONS[name].plural],
  )

/** A document of everything is nobody's: what belongs to a set would be refused. */
const noSets = () => api.call('DELETE', 'sets/t1')

const specsOf = async (plural: string) =>
  (await api.call('GET', plural)).json.items.map((one: { id: string; spec: object }) => [
    one.id,
    one.spec,
  ])

const cut = fc.double({ min: 0, max: 1, noNaN: true })
const revisionIn = ([first, last]: readonly [number, number], share: number) =>
  first + Math.floor(share * (last - first))

/** Some went through, so that a property that holds of nothing does not pass. */
function expectSome(answers: readonly unknown[], refused: readonly unknown[]): void {
  expect(answers.filter((one) => one !== 200 && !refused.includes(one))).toEqual([])
  expect(answers.filter((one) => one === 200).length).toBeGreaterThan(0)
}

it(
  'a rollback to n reads as of n what it rolls back, leaves the rest, or is refused whole',
  async () => {
    const answers: (string | number)[] = []
    const property = fc.asyncProperty(steps, cut, async (all, share) => {
      const n = revisionIn(await take(all), share)
      const [then, before] = [await configAt(n), await configAt()]
      const whoMay = [await specsOf('keys'), await specsOf('principals')]
      const { status, json } = await api.call('POST', 'rollback', { body: { toRevision: n } })
      const now = await configAt()
      answers.push(status === 200 ? 200 : json.code)
      expect(parted(now, true)).toEqual(parted(status === 200 ? then : before, true))
      expect(parted(now, false)).toEqual(parted(before, false))
      expect([await specsOf('keys'), await specsOf('principals')]).toEqual(whoMay)
      // Sets are in no document; they name what there is.
      const document = Object.entries(now)
      const there = document.flatMap(([plural, some]) =>
        Object.keys(some).map((id) => `${SINGULAR.get(plural)}/${id}`),
      )
      for (const [, { members }] of await specsOf('sets')) {
        expect(members.filter((one: string) => !there.includes(one))).toEqual([])
      }
    })
    await fc.assert(property, RUNS)
    expectSome(answers, NOT_BACK)
  },
  TEST_MS,
)
const SINGULAR = new Map(WRITABLE.map((name) => [DEFINITIONS[name].plural as string, name]))
/** Why what was then does not hold today: who may, and secrets, are not rolled back. */
const NOT_BACK: readonly unknown[] = ['dangling_reference', 'still_referenced', 'secret_shredded']

it(
  'the document of n makes the state that of n, and changes nothing the second time',
  async () => {
    const answers: (string | number)[] = []
    const property = fc.asyncProperty(steps, cut, async (all, share) => {
      const then = await configAt(revisionIn(await take(all), share))
      await noSets()
      const put = () => api.call('PUT', 'config?prune=true&force=true', { body: then })
      const { status, json } = await put()
      answers.push(status === 200 ? 200 : json.code)
      if (status !== 200) return
      expect(parted(await configAt(), true)).toEqual(parted(then, true))
      expect(await configAt()).toMatchObject(then)
      const revision = await headRevision()
      expect((await put()).json).toEqual({ revision, changes: [] })
    })
    await fc.assert(property, RUNS)
    // A value that has gone is in no document.
    expectSome(answers, [...NOT_BACK, 'validation_failed'])
  },
  TEST_MS,
)

it(
  'what is exported, in any format, changes nothing when it is applied',
  async () => {
    const format = fc.constantFrom('json', 'yaml', 'toml')
    const property = fc.asyncProperty(steps, format, async (all, name) => {
      await take(all)
      await noSets()
      const revision = await headRevision()
      const { text, headers } = await api.call('GET', `config?format=${name}`)
      const type = headers.get('content-type') ?? ''
      const how = { body: text, headers: { 'content-type': type } }
      const { status, json } = await api.call('PUT', 'config?prune=true', how)
      expect([status, json]).toEqual([200, { revision, changes: [] }])
    })
    await fc.assert(property, RUNS)
  },
  TEST_MS,
)
