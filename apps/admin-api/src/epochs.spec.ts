// A log that lost its tail: proxies have what it no longer has, and the same numbers come again.
import { type HubBus } from '@signalbox/bus'
import { eventually } from '@signalbox/testing'
import { type Api, startApi, TOKENS } from './api-harness.ts'

let at: Api
let member: HubBus

beforeEach(async () => {
  at = await startApi()
  member = at.hub.connect()
})
afterEach(async () => {
  await member.close()
  await at.end()
})

const epoch = async () => (await at.call('GET', 'fleet')).json.head.epoch
const published = () => member.revisions({ from: 1, to: 9 })

it('members that have more than the log begin a new epoch, and the stream follows', async () => {
  await at.add('b1')
  member.sendHeartbeat(await at.heartbeat(7))
  member.sendHeartbeat(await at.heartbeat(5, { id: 'p2' }))
  await eventually(async () => (await epoch()) === 2)
  await eventually(async () => {
    const found = await published()
    return found.kind === 'found' && found.messages.at(-1)?.epoch === 2
  })
  const found = await published()
  const epochs =
    found.kind === 'found' ? found.messages.map((one) => [one.revision, one.epoch]) : []
  expect(epochs).toEqual([
    [1, 1],
    [2, 2],
  ])
  const { items } = (await at.call('GET', 'revisions?limit=1')).json
  expect(items[0]).toMatchObject({ actor: 'system', source: 'system', changes: [] })
  expect(items[0].reason).toMatch(/the log ends at 1, but revision 5/)
  expect((await at.call('GET', 'audit/verify')).json).toMatchObject({ ok: true, revision: 2 })
})

it('members that have what the log has, or speak of another one, begin none', async () => {
  await at.add('b1')
  member.sendHeartbeat(await at.heartbeat(1))
  member.sendHeartbeat(await at.heartbeat(9, { id: 'p0' }))
  member.sendHeartbeat(await at.heartbeat(9, { id: 'p2', lineage: 'another' }))
  member.sendHeartbeat(await at.heartbeat(9, { id: 'p3', epoch: 7 }))
  await eventually(async () => (await at.call('GET', 'fleet')).json.members.length === 4)
  await at.add('b2')
  // The publisher has come by since.
  await eventually(async () => {
    const found = await published()
    return found.kind === 'found' && found.messages.length === 2
  })
  expect(await epoch()).toBe(1)
})

it('an operator begins one by hand, an admin alone, with a reason in the log', async () => {
  await at.add('b1')
  const body = { reason: 'the backup of Monday' }
  const refusal = await at.call('POST', 'epochs', { body, token: TOKENS.operator })
  expect(refusal.json.code).toBe('forbidden')
  expect((await at.call('POST', 'epochs', { body })).json).toEqual({ epoch: 2, revision: 2 })
  expect((await at.call('GET', 'revisions/2')).json).toMatchObject({ ...body, actor: 'admin' })
  for (const [path, headers] of [
    ['epochs?dryRun=true', {}],
    ['epochs', { 'idempotency-key': 'k' }],
  ] as const) {
    expect((await at.call('POST', path, { body, headers })).json.code).toBe('unknown_parameter')
  }
  expect(await epoch()).toBe(2)
})

it('a proxy that is still in the epoch before has not applied what has its number', async () => {
  await at.add('b1')
  await at.add('b2')
  member.sendHeartbeat(await at.heartbeat(2))
  await eventually(async () => (await at.call('GET', 'fleet')).json.applied === 1)
  await at.call('POST', 'epochs', { body: { reason: 'a backup' } })
  member.sendHeartbeat(await at.heartbeat(3))
  await eventually(async () => (await at.call('GET', 'fleet')).json.members[0].active === 3)
  const { applied, members, convergence } = (await at.call('GET', 'fleet')).json
  expect([applied, members[0].lag, convergence.pending]).toEqual([0, 1, 1])
})
