// A revision that only a part of the fleet activates: under traffic, with real proxies, two
// instances of the admin API, and a Postgres.
import { eventually, type MockBackend, startMockBackend } from '@signalbox/testing'
import { type Chatted, type Fleet, PROXIES, startFleet } from './releases-harness.ts'

const EACH_MS = 120_000

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- many shapes, compared in tests
type Json = any

let good: MockBackend
let bad: MockBackend
let fleet: Fleet

beforeEach(async () => {
  good = await startMockBackend({ models: ['m1'] })
  bad = await startMockBackend({ models: ['m1'] })
  bad.failWith(400)
  fleet = await startFleet()
  await fleet.call('PUT', 'policies/default?wait=20s', { spec: { retry: { maxRetries: 0 } } })
  const spec = { kind: 'openai-compatible', url: good.url, models: ['m1'] }
  await fleet.call('POST', 'backends?wait=20s', { id: 'b1', spec })
}, EACH_MS)
afterEach(async () => {
  await fleet.end()
  await good.stop()
  await bad.stop()
}, EACH_MS)

const operationsTo = (url: string) => [
  { op: 'patch', resource: 'backend', id: 'b1', spec: { url } },
]
const ONE_THIRD = [{ percent: 33, bake: '1ms' }]
const start = (url: string, more: object = {}) =>
  fleet.call('POST', 'releases?wait=20s', {
    operations: operationsTo(url),
    reason: 'another server',
    stages: ONE_THIRD,
    ...more,
  })
const release = async () => (await fleet.call('GET', 'releases')).json.items[0]
/** Asks every proxy so often. */
async function ask(times: number): Promise<readonly Chatted[]> {
  const all = []
  for (let turn = 0; turn < times; turn++) {
    all.push(...(await Promise.all(PROXIES.map((id) => fleet.chat(id, 'm1')))))
  }
  return all
}

/** Which proxies have activated the release, once all have told. */
const cohortOf = async (revision: number) => {
  const active = await eventually(async () => {
    const told = await fleet.active()
    return Object.values(told).some((one) => one === revision) && told
  })
  return PROXIES.filter((id) => active[id] === revision)
}

it(
  'a bad one goes back by itself, and who was not in its cohort has never seen it',
  async () => {
    const started = await start(bad.url)
    expect([started.status, started.json.id, started.json.revision]).toEqual([201, 'release-3', 3])
    const cohort = await cohortOf(3)
    expect(cohort).toHaveLength(1)
    const all: Chatted[] = []
    await eventually(async () => {
      all.push(...(await ask(5)))
      return (await release()).state === 'rolled-back'
    })
    expect(await release()).toMatchObject({
      why: expect.stringMatching(/more requests failed: \d+ of \d+ in the cohort, 0 of \d+ else/),
    })
    const others = all.filter(({ proxy }) => !cohort.includes(proxy))
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([200]))
    const failed = all.filter(({ status }) => status === 400)
    expect(failed.length).toBeGreaterThanOrEqual(20)
    expect(new Set(failed.map(({ revision }) => revision))).toEqual(new Set([3]))
    // One revision brings back what was, and says for which release.
    const { items } = (await fleet.call('GET', 'revisions')).json
    expect(items).toHaveLength(4)
    expect(items[0]).toMatchObject({
      ...{ revision: 4, actor: 'system', source: 'rollback' },
      reason: expect.stringMatching(/^release-3: more requests failed/),
      undoes: { after: 2, through: 3 },
    })
    expect((await fleet.call('GET', 'backends/b1')).json.spec.url).toBe(good.url)
    await eventually(() => PROXIES.every((id) => fleet.state(id)?.active === 4))
    expect((await ask(2)).map(({ status }) => status)).toEqual(Array(6).fill(200))
  },
  EACH_MS,
)

it(
  'a good one goes on by itself, stage by stage, also when an instance of the admin API has gone',
  async () => {
    const stages = [33, 66].map((percent) => ({ percent, bake: '1ms' }))
    await start(good.url + '/', { stages, guard: { minRequests: 10 } })
    const [first] = await cohortOf(3)
    await fleet.endAdmin()
    const seen = new Map<string, number>()
    await eventually(async () => {
      for (const { proxy, status, revision } of await ask(3)) {
        expect(status).toBe(200)
        // Who has activated it keeps it.
        expect(revision).toBeGreaterThanOrEqual(seen.get(proxy) ?? 0)
        seen.set(proxy, revision)
      }
      return (await release()).state === 'promoted'
    })
    const { items } = (await fleet.call('GET', 'revisions')).json
    const steps = items.slice(0, 3).map(({ actor, changes }: Json) => [actor, changes.length])
    expect(steps).toEqual([
      ['system', 1],
      ['system', 1],
      ['admin', 2],
    ])
    expect(items[1].changes[0].after).toMatchObject({ state: 'open', stage: 1 })
    await eventually(() => PROXIES.every((id) => fleet.state(id)?.active === 5))
    expect(first).toBeDefined()
  },
  EACH_MS,
)

it(
  'one with too few requests waits for an operator, who widens it, promotes it or takes it back',
  async () => {
    await start(bad.url, { stages: [...ONE_THIRD, { percent: 66 }] })
    await cohortOf(3)
    await eventually(async () => (await release()).cohort?.proxies === 1)
    await ask(1)
    await eventually(async () => (await release()).control.requests === 2)
    expect(await release()).toMatchObject({
      ...{ state: 'open', stage: 0 },
      verdict: {
        verdict: 'inconclusive',
        why: expect.stringMatching(/the cohort had 1 of 100 requests/),
      },
      cohort: { proxies: 1, requests: 1, errors: 1 },
      control: { proxies: 2, requests: 2, errors: 0 },
    })
    const next = await fleet.callOther('POST', 'releases/release-3/promote?wait=20s', {})
    expect([next.status, next.json.stage]).toEqual([200, 1])
    await eventually(async () => (await fleet.active())['proxy-1'] !== undefined)
    await eventually(() => PROXIES.filter((id) => fleet.state(id)?.active === 4).length === 2)
    const body = { reason: 'it is the wrong server' }
    const back = await fleet.call('POST', 'releases/release-3/rollback?wait=20s', body)
    expect([back.status, back.json.state]).toEqual([200, 'rolled-back'])
    expect(back.json.why).toBe('rolled back by admin: it is the wrong server')
    expect((await ask(1)).map(({ status, revision }) => [status, revision])).toEqual(
      Array(3).fill([200, 5]),
    )
    for (const step of ['promote', 'rollback']) {
      const late = await fleet.callOther('POST', `releases/release-3/${step}`, {})
      expect([late.status, late.json.code]).toEqual([409, 'release_ended'])
    }
    await start(good.url + '/')
    const all = await fleet.call('POST', 'releases/release-6/promote?wait=20s', { full: true })
    expect([all.status, all.json.state]).toEqual([200, 'promoted'])
    expect((await ask(1)).map(({ revision }) => revision)).toEqual([7, 7, 7])
  },
  EACH_MS,
)

it(
  'is what a proxy finds that starts anew in the middle of it, or that was away until its end',
  async () => {
    await start(good.url + '/', { stages: [{ labels: { canary: 'yes' }, bake: '1h' }] })
    expect(await cohortOf(3)).toEqual(['proxy-3'])
    await fleet.stopProxy('proxy-1')
    await fleet.stopProxy('proxy-3')
    await fleet.startProxy('proxy-3')
    await fleet.startProxy('proxy-1')
    await eventually(() => fleet.state('proxy-3')?.received === 3)
    await eventually(() => fleet.state('proxy-1')?.received === 3)
    expect(fleet.state('proxy-3')?.active).toBe(3)
    expect(fleet.state('proxy-1')?.active).toBe(2)
    expect(await fleet.chat('proxy-3', 'm1')).toMatchObject({ status: 200, revision: 3 })
    expect(await fleet.chat('proxy-1', 'm1')).toMatchObject({ status: 200, revision: 2 })
    await fleet.stopProxy('proxy-3')
    await fleet.call('POST', 'releases/release-3/rollback', {})
    await fleet.startProxy('proxy-3')
    await eventually(() => fleet.state('proxy-3')?.active === 4)
    expect((await ask(1)).map(({ status }) => status)).toEqual([200, 200, 200])
  },
  EACH_MS,
)

it(
  'brings a credential to who takes part and to who does not, and does not let go of one',
  async () => {
    good.requireCredential('key-of-the-backend')
    const { url } = good
    const spec = { kind: 'openai-compatible', url, models: ['m2'], apiKey: 'key-of-the-backend' }
    good.setModels(['m1', 'm2'])
    await fleet.call('POST', 'backends?wait=20s', { id: 'b2', spec })
    const change = (more: object) => [{ op: 'patch', resource: 'backend', id: 'b2', spec: more }]
    const stages = [{ labels: { canary: 'yes' }, bake: '1h' }]
    for (const gone of [{ apiKey: 'another-key' }, { credential: null }]) {
      const refused = await fleet.call('POST', 'releases', { operations: change(gone), stages })
      expect([refused.status, refused.json.code]).toEqual([422, 'validation_failed'])
    }
    const operations = change({ weight: 7, apiKey: 'key-of-the-backend' })
    const begun = await fleet.call('POST', 'releases?wait=20s', { operations, stages })
    expect([begun.status, begun.json.id]).toEqual([201, 'release-4'])
    await fleet.stopProxy('proxy-1')
    await fleet.startProxy('proxy-1')
    await eventually(() => fleet.state('proxy-1')?.received === 4)
    const asked = () => Promise.all(PROXIES.map((id) => fleet.chat(id, 'm2')))
    expect((await asked()).map(({ status, revision }) => [status, revision])).toEqual([
      [200, 3],
      [200, 3],
      [200, 4],
    ])
    const back = await fleet.call('POST', 'releases/release-4/rollback?wait=20s', {})
    expect([back.status, back.json.state]).toEqual([200, 'rolled-back'])
    expect((await asked()).map(({ status, revision }) => [status, revision])).toEqual(
      Array(3).fill([200, 5]),
    )
  },
  EACH_MS,
)

it(
  'holds up other changes of what it stages, and nothing else',
  async () => {
    const secret = { id: 's1', spec: { value: 'a-secret-of-the-test', origins: [good.url] } }
    await fleet.call('POST', 'secrets', secret)
    const withSecret = { spec: { credential: { secret: 's1' } } }
    expect((await fleet.call('PATCH', 'backends/b1', withSecret)).status).toBe(200)
    const operations = [
      { op: 'patch', resource: 'backend', id: 'b1', spec: { credential: null } },
      { op: 'create', resource: 'policy', id: 'quick', spec: {} },
    ]
    const stages = [{ percent: 33, bake: '1h' }]
    const begun = await fleet.call('POST', 'releases?wait=20s', { operations, stages })
    expect(begun.json.id).toBe('release-5')
    const attempts = await Promise.all([
      fleet.call('PATCH', 'backends/b1', { spec: { weight: 2 } }),
      fleet.callOther('PUT', 'policies/other', { spec: {} }),
      fleet.call('POST', 'rollback', { toRevision: 1 }),
      fleet.callOther('POST', 'releases', { operations: operationsTo(bad.url) }),
      // What the proxies outside the cohort still need, and what they do not have.
      fleet.call('DELETE', 'secrets/s1'),
      fleet.call('PUT', 'settings/default', { spec: { implicitPolicy: 'quick' } }),
    ])
    for (const { status, json } of attempts) {
      expect([status, json.code]).toEqual([409, 'release_open'])
      expect(json.detail).toContain('release-5')
    }
    const settings = { spec: { clientAuth: 'blocking' } }
    expect((await fleet.call('PUT', 'settings/default?wait=20s', settings)).json).toMatchObject({
      convergence: { acked: 3, pending: 0 },
    })
    const key = await fleet.call('POST', 'keys?wait=20s', { id: 'k1', spec: {} })
    expect(key.json.convergence).toMatchObject({ acked: 3, pending: 0 })
    expect((await ask(1)).map(({ status }) => status)).toEqual([401, 401, 401])
    const authorization = `Bearer ${key.json.token}`
    const all = await Promise.all(PROXIES.map((id) => fleet.chat(id, 'm1', { authorization })))
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(all.map(({ revision }) => revision).toSorted()).toEqual([4, 4, 7])
    await fleet.call('POST', 'releases/release-5/rollback', {})
    expect((await fleet.call('GET', 'backends/b1')).json.spec.credential).toEqual({ secret: 's1' })
    expect((await fleet.call('GET', 'keys/k1')).status).toBe(200)
  },
  EACH_MS,
)
