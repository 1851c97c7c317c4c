import { type HubBus } from '@signalbox/bus'
import { eventually } from '@signalbox/testing'
import { type Api, SPEC, startApi } from './api-harness.ts'

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

const join = async (more: object = {}) => {
  member.sendHeartbeat(await at.heartbeat(0, more))
  await eventually(async () => (await at.call('GET', 'fleet')).json.members.length === 1)
}
const addAndWait = (id: string, wait: string, more: object = {}) =>
  at.call('POST', `backends?wait=${wait}`, { body: { id, spec: { ...SPEC, ...more } } })
/** Longer than any test may take: an answer came because of an event, not because time was up. */
const LONG = '60s'

describe('?wait', () => {
  it('answers when the time is up, naming who has it not', async () => {
    await join()
    const answer = await addAndWait('b1', '50ms')
    expect(answer.status).toBe(201)
    expect(answer.json.convergence).toMatchObject({
      acked: 0,
      pending: 1,
      laggards: [{ id: 'p1', reason: 'live at 0' }],
    })
  })

  it('answers when every live proxy has it', async () => {
    await join()
    member.onRevision(async ({ revision }) => member.sendHeartbeat(await at.heartbeat(revision)))
    const answer = await addAndWait('b1', LONG)
    expect(answer.json.convergence).toMatchObject({ acked: 1, pending: 0, nacked: 0 })
    expect(answer.headers.get('x-signalbox-revision')).toBe('1')
    const { members } = (await at.call('GET', 'fleet')).json
    expect(members).toMatchObject([{ id: 'p1', active: 1, lag: 0, live: true }])
  })

  it('answers a delete with 200 and the convergence', async () => {
    await at.add('b1')
    await join()
    member.onRevision(async ({ revision }) => member.sendHeartbeat(await at.heartbeat(revision)))
    const answer = await at.call('DELETE', `backends/b1?wait=${LONG}`)
    expect(answer.status).toBe(200)
    expect(answer.json.convergence).toMatchObject({ acked: 1, pending: 0 })
  })

  it('answers at once when the only proxy refuses it', async () => {
    await join()
    const nack = { resource: 'backend', id: 'b1', code: 'x', message: 'no such kind here' }
    member.onRevision(async ({ revision }) =>
      member.sendHeartbeat(
        await at.heartbeat(revision, { nacks: [{ ...nack, revision }], sentAtMs: 1 }),
      ),
    )
    const { convergence } = (await addAndWait('b1', LONG)).json
    expect(convergence).toMatchObject({ acked: 0, pending: 0, nacked: 1 })
    expect(convergence.laggards[0].reason).toMatch('no such kind here')
  })

  it('does not take an ack of another log for one of this', async () => {
    await join({ lineage: 'another', active: 500, received: 500 })
    const { convergence } = (await addAndWait('b1', '50ms')).json
    expect(convergence).toMatchObject({ acked: 0, pending: 1 })
    expect((await at.call('GET', 'fleet')).json.members[0].lag).toBe(1)
  })

  it('waits for the first look at a backend whose models are found out', async () => {
    await join()
    const looked: number[] = []
    member.onRevision(async ({ revision }) => {
      member.sendHeartbeat(await at.heartbeat(revision))
      looked.push(revision)
      member.sendStatus({ observer: 'probe', statuses: [status('b1', revision)] })
    })
    const answer = await addAndWait('b1', LONG, { models: 'discover' })
    expect(answer.json.convergence.acked).toBe(1)
    const [seen] = (await at.call('GET', 'status')).json.items
    expect(seen).toMatchObject({ backend: 'b1', health: 'ready', models: ['found'] })
    expect(looked).toEqual([1])
  })

  it('is ended by a stop, which lets the request finish with what is known', async () => {
    await join()
    const waiting = addAndWait('b1', LONG)
    await eventually(async () => (await at.store.head()).revision === 1)
    await at.api.stop()
    const answer = await waiting
    expect(answer.status).toBe(201)
    expect(answer.json.convergence.pending).toBe(1)
  })
})

function status(backend: string, revision: number) {
  const times = { sinceMs: 1, checkedAtMs: revision, latencyMs: 1 }
  const found = { health: 'ready', error: null, models: ['found'] } as const
  return { backend, revision, observer: 'probe', ...times, ...found }
}

describe('GET /fleet', () => {
  it('is read in pages, and counts all whatever the page', async () => {
    for (const id of ['p3', 'p1', 'p2']) member.sendHeartbeat(await at.heartbeat(0, { id }))
    await eventually(async () => (await at.call('GET', 'fleet')).json.members.length === 3)
    const idsOf = ({ members }: { members: readonly { id: string }[] }) => members.map((m) => m.id)
    const first = (await at.call('GET', 'fleet?limit=2')).json
    expect([idsOf(first), first.live, first.convergence.acked]).toEqual([['p1', 'p2'], 3, 3])
    const rest = (await at.call('GET', `fleet?limit=2&cursor=${first.nextCursor}`)).json
    expect([idsOf(rest), rest.live, rest.nextCursor]).toEqual([['p3'], 3, null])
    for (const wrong of ['limit=0', 'limit=1001', 'cursor=', 'cursor=*', 'cursor=AA']) {
      expect((await at.call('GET', `fleet?${wrong}`)).json.code).toBe('unknown_parameter')
    }
  })

  it('says how the head, or another revision, spread, and who does not have it', async () => {
    await join()
    const before = (await at.call('GET', 'fleet')).json.convergence
    expect(before).toMatchObject({ revision: 0, acked: 1, pending: 0, committedAt: null })
    member.onRevision(async ({ revision }) => member.sendHeartbeat(await at.heartbeat(revision)))
    await addAndWait('b1', LONG)
    await addAndWait('b2', LONG)
    const { convergence } = (await at.call('GET', 'fleet?revision=1')).json
    expect(convergence).toMatchObject({ revision: 1, acked: 1, pending: 0, measured: 1 })
    expect(convergence.committedAt).toMatch(/^20/)
    expect(convergence.p50Ms).toBe(convergence.p99Ms)
    member.sendHeartbeat(await at.heartbeat(1, { id: 'p2' }))
    await eventually(async () => (await at.call('GET', 'fleet')).json.members.length === 2)
    const { convergence: head } = (await at.call('GET', 'fleet')).json
    expect(head).toMatchObject({ revision: 2, acked: 1, pending: 1 })
    expect(head.laggards).toEqual([{ id: 'p2', reason: 'live at 1' }])
    for (const wrong of ['3', '0', 'x']) {
      expect((await at.call('GET', `fleet?revision=${wrong}`)).json.code).toBe('unknown_parameter')
    }
  })
})
