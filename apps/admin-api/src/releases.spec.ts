import { type HubBus } from '@signalbox/bus'
import { type Heartbeat, type ReleaseCounts } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Api, startApi, TOKENS } from './api-harness.ts'

const APIKEY = 'planted-key-of-a-backend'

let at: Api
let member: HubBus
let sent: number

beforeEach(async () => {
  at = await startApi()
  member = at.hub.connect()
  sent = 0
  await at.add('b1', { apiKey: APIKEY })
})
afterEach(async () => {
  await member.close()
  await at.end()
})

const STAGES = [{ labels: { canary: 'yes' }, bake: '1ms' }]
const start = (more: object = {}, token = TOKENS.admin) =>
  at.call('POST', 'releases', {
    body: {
      operations: [{ op: 'patch', resource: 'backend', id: 'b1', spec: { weight: 7 } }],
      stages: STAGES,
      ...more,
    },
    token,
  })
const release = async () => (await at.call('GET', 'releases/release-2')).json

function countsOf(more: Partial<ReleaseCounts>): ReleaseCounts {
  return {
    ...{ release: 'release-2', stage: 0, cohort: true, requests: 0, firstByteMs: 0 },
    errors: { failed: 0, refused: 0, unrouted: 0, limited: 0 },
    firstBytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...more,
  }
}
const failed = (count: number) => ({ failed: count, refused: 0, unrouted: 0, limited: 0 })

/** What a proxy says: the canary, or the other one. */
async function say(counts: ReleaseCounts, more: Partial<Heartbeat> = {}) {
  const { cohort } = counts
  const load = { requestsTotal: 0, inFlight: 0, rssBytes: 0, release: counts }
  const who = cohort ? { id: 'p1', labels: { canary: 'yes' } } : { id: 'p2', labels: {} }
  const beat = await at.heartbeat(2, { ...who, load, sentAtMs: ++sent, ...more })
  member.sendHeartbeat(beat)
}

it('is judged by what both sides tell, and goes back in one revision that names it', async () => {
  expect((await start()).status).toBe(201)
  await eventually(async () => (await release()).verdict?.verdict === 'inconclusive')
  await say(countsOf({ cohort: false, requests: 300, errors: failed(1) }))
  await say(countsOf({ requests: 60, errors: failed(40) }))
  await eventually(async () => (await release()).state === 'rolled-back')
  expect((await release()).why).toBe(
    'more requests failed: 40 of 60 in the cohort, 1 of 300 elsewhere',
  )
  const { items } = (await at.call('GET', 'revisions')).json
  expect(items).toHaveLength(3)
  expect(items[0]).toMatchObject({ source: 'rollback', undoes: { after: 1, through: 2 } })
  expect((await at.call('GET', 'audit/verify')).json.ok).toBe(true)
})

it('is read as it was at a revision, without how it did, which nobody keeps', async () => {
  await start()
  await eventually(async () => (await release()).verdict?.verdict === 'inconclusive')
  expect((await at.call('POST', 'releases/release-2/rollback', { body: {} })).status).toBe(200)
  const states = async (asOf: number) => {
    const { items, revision } = (await at.call('GET', `releases?asOf=${asOf}`)).json
    return [revision, ...items.map(({ state }: { state: string }) => state)]
  }
  expect([await states(1), await states(2), await states(3)]).toEqual([
    [1],
    [2, 'open'],
    [3, 'rolled-back'],
  ])
  const then = (await at.call('GET', 'releases/release-2?asOf=2')).json
  expect(then).toMatchObject({ state: 'open', verdict: null, cohort: null, control: null })
  for (const path of ['releases?asOf=4', 'releases/release-2?asOf=4', 'releases/release-2?asOf=1'])
    expect([path, (await at.call('GET', path)).json]).toMatchObject([path, { code: 'not_found' }])
  expect((await at.call('GET', 'releases?asOf=x')).json.code).toBe('unknown_parameter')
})

it('goes back at once where a proxy of its cohort cannot compile it', async () => {
  await start()
  const nacks = [
    { revision: 2, resource: 'backend', id: 'b1', code: 'x', message: 'no such thing' },
  ]
  await say(countsOf({}), { nacks })
  await eventually(async () => (await release()).state === 'rolled-back')
  expect((await release()).why).toBe('a proxy refused it: p1, backend b1: no such thing')
})

it('keeps what a process counted that has ended, and forgets what another stage did', async () => {
  await start({ stages: [...STAGES, { percent: 50 }] })
  await eventually(async () => (await release()).verdict !== null)
  await say(countsOf({ requests: 15, errors: failed(15) }))
  await eventually(async () => (await release()).cohort.requests === 15)
  await say(countsOf({ requests: 4, errors: failed(4) }))
  await eventually(async () => (await release()).cohort.requests === 19)
  await say(countsOf({ requests: 5, errors: failed(4) }))
  await eventually(async () => (await release()).cohort.requests === 20)
  expect((await release()).cohort).toEqual({ proxies: 1, requests: 20, errors: 19 })
  await at.call('POST', 'releases/release-2/promote', { body: {} })
  await eventually(async () => (await release()).cohort?.requests === 0)
  // A word from the stage before, that was on its way.
  await say(countsOf({ requests: 90 }))
  await say(countsOf({ requests: 6, stage: 1 }))
  await eventually(async () => (await release()).cohort.requests === 6)
})

it('shows what it replaces to nobody with its credential', async () => {
  await start()
  const sealed = /"sealed"/
  for (const path of ['releases', 'releases/release-2', 'revisions/2', 'diff?from=1&to=2']) {
    const { status, text } = await at.call('GET', path)
    expect([path, status]).toEqual([path, 200])
    expect(text).not.toContain(APIKEY)
    expect(text).not.toMatch(sealed)
  }
  await at.call('POST', 'releases/release-2/rollback', { body: {} })
  const { text } = await at.call('GET', 'revisions/3')
  expect(text).not.toMatch(sealed)
  expect(at.logged.join('\n')).not.toMatch(/planted-key/)
})

it('is told to those who listen to events', async () => {
  const answer = await fetch(`${at.base}/admin/v1/events`, {
    headers: { authorization: `Bearer ${TOKENS.viewer}` },
  })
  const heard = { text: '' }
  const decoder = new TextDecoder()
  const read = async () => {
    for await (const chunk of answer.body ?? []) heard.text += decoder.decode(chunk)
  }
  const done = read()
  await start()
  await eventually(() => /event: release\ndata: .*"state":"open".*inconclusive/.test(heard.text))
  await at.call('POST', 'releases/release-2/promote', { body: { full: true } })
  await eventually(() => /event: release\ndata: .*"state":"promoted"/.test(heard.text))
  await at.api.stop()
  await done
})

it('is for operators, and made by its own calls alone', async () => {
  expect((await start({}, TOKENS.viewer)).status).toBe(403)
  expect((await start({}, TOKENS.operator)).status).toBe(201)
  for (const step of ['promote', 'rollback']) {
    const path = `releases/release-2/${step}`
    expect((await at.call('POST', path, { body: {}, token: TOKENS.viewer })).status).toBe(403)
  }
  const put = await at.call('PUT', 'releases/release-2', { body: { spec: {} } })
  expect(put.status).toBe(405)
  const operations = [{ op: 'delete', resource: 'release', id: 'release-2' }]
  expect((await at.call('POST', 'changes', { body: { operations } })).status).toBe(422)
  const resources = [{ resource: 'release', id: 'release-2' }]
  const back = await at.call('POST', 'rollback', { body: { toRevision: 1, resources } })
  expect(back.status).toBe(422)
  expect((await at.call('GET', 'releases/release-9')).status).toBe(404)
  expect((await at.call('GET', 'releases/none%00')).status).toBe(404)
})

it('is made once under an Idempotency-Key, and not at all by a dry run', async () => {
  const operations = [{ op: 'patch', resource: 'backend', id: 'b1', spec: { weight: 7 } }]
  const body = { operations, stages: STAGES }
  const dry = await at.call('POST', 'releases?dryRun=true', { body })
  expect([dry.status, dry.json.dryRun, dry.json.changes.length]).toEqual([200, true, 2])
  const headers = { 'idempotency-key': 'once' }
  const first = await at.call('POST', 'releases', { body, headers })
  const again = await at.call('POST', 'releases', { body, headers })
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
  expect((await at.call('GET', 'releases')).json.items).toHaveLength(1)
})

it.each([
  ['neither changes nor a revision', { operations: undefined }, 'operations'],
  ['both', { revision: 1 }, 'revision'],
  ['a revision that is none', { operations: undefined, revision: 'x' }, 'revision'],
  ['all at once', { stages: [{ percent: 100 }] }, 'stages.0.percent'],
  ['an unknown setting', { guard: { mood: 1 } }, 'guard.mood'],
  ['a key', { operations: [{ op: 'create', resource: 'key', id: 'k', spec: {} }] }, undefined],
])('is refused with %s', async (_, more, path) => {
  const { status, json } = await start(more)
  expect([status, json.code]).toEqual([422, 'validation_failed'])
  if (path !== undefined) expect(json.errors[0].path).toBe(path)
  expect((await at.call('GET', 'releases')).json.items).toEqual([])
})
