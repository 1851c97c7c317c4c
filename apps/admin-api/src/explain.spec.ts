import { eventually } from '@signalbox/testing'
import { type Api, startApi, TOKENS } from './api-harness.ts'

let api: Api
beforeEach(async () => {
  api = await startApi()
})
afterEach(() => api.end())

const explain = (body: unknown, token: string = TOKENS.viewer) =>
  api.call('POST', 'explain', { body, token })

function say(backend: string, health: 'ready' | 'down', models: readonly string[] | null): void {
  const facts = { sinceMs: 1, checkedAtMs: 1, latencyMs: 1, error: null, revision: 1 }
  api.bus.sendStatus({
    observer: 'p',
    statuses: [{ ...facts, backend, health, models, observer: 'p' }],
  })
}

describe('POST /explain', () => {
  it('counts backends whose credential is a secret with a name', async () => {
    await api.call('POST', 'secrets', { body: { id: 's', spec: { value: 'sk-one' } } })
    await api.add('b1', { credential: { secret: 's' } })
    expect((await explain({ model: 'm1' })).json.picked).toMatchObject({ backend: 'b1' })
  })

  it('answers who would take the request and why, by what probes say', async () => {
    await api.add('b1')
    await api.add('b2', { weight: 3 })
    expect((await explain({ model: 'm1' })).json).toMatchObject({
      outcome: 'picked',
      revision: 2,
      picked: { backend: 'b1' },
      route: { found: 'implicit' },
      candidates: [
        { backend: 'b1', reason: 'picked' },
        { backend: 'b2', reason: 'kept', share: 0.75 },
      ],
    })
    say('b1', 'down', null)
    await eventually(async () => (await explain({ model: 'm1' })).json.picked.backend === 'b2')
    const both = await explain({ model: 'm1', down: ['b2'] })
    expect(both.json).toMatchObject({ outcome: 'no_backend', picked: null })
  })

  it('takes what a request would bring: the text that is hashed, the labels of the proxy', async () => {
    const spec = (zone: string) => ({ labels: { zone } })
    for (const id of ['b1', 'b2', 'b3']) await api.add(id, spec(id))
    const policy = (strategy: string) =>
      api.call('PUT', 'policies/default', { body: { spec: { strategy } } })
    await policy('Locality')
    const near = (await explain({ model: 'm1', place: { zone: 'b2' } })).json
    expect(near).toMatchObject({
      picked: { backend: 'b2' },
      candidates: [{ reason: 'farther' }, {}, {}],
    })
    await policy('ConsistentHash')
    const ids = new Set<string>()
    for (let n = 0; n < 20; n++) {
      ids.add((await explain({ model: 'm1', hashOf: `user-${n}` })).json.picked.backend)
    }
    expect(ids.size).toBe(3)
    expect((await explain({ model: 'm1', hashOf: 5 })).status).toBe(422)
    expect((await explain({ model: 'm1', place: { zone: 5 } })).status).toBe(422)
  })

  it('goes on along fallback routes, with the backends that stand there', async () => {
    for (const id of ['own', 'next']) await api.add(id)
    const routeTo = (backend: string, more: object = {}) => {
      return { tiers: [{ targets: [{ backend }] }], ...more }
    }
    for (const [id, spec] of [
      ['second', routeTo('next')],
      ['first', routeTo('own', { fallbacks: ['second'] })],
    ] as const) {
      const made = await api.call('POST', 'routes', { body: { id, spec } })
      expect(made.json).toMatchObject({ id })
    }
    const { json } = await api.call('POST', 'explain', { body: { model: 'first', down: ['own'] } })
    expect(json).toMatchObject({
      outcome: 'picked',
      fallback: 'second',
      candidates: [
        { route: 'first', backend: 'own', reason: 'down' },
        { route: 'second', backend: 'next', reason: 'picked' },
      ],
    })
  })

  it('knows the models that were found', async () => {
    await api.add('b1', { models: 'discover' })
    expect((await explain({ model: 'found' })).json.outcome).toBe('model_not_found')
    say('b1', 'ready', ['found'])
    await eventually(async () => (await explain({ model: 'found' })).json.outcome === 'picked')
  })

  it('answers under an earlier revision', async () => {
    await api.add('b1')
    await api.call('PATCH', 'backends/b1', { body: { spec: { enabled: false } } })
    expect((await explain({ model: 'm1' })).json.outcome).toBe('model_not_found')
    expect((await explain({ model: 'm1', revision: 1 })).json.picked.backend).toBe('b1')
    expect((await explain({ model: 'm1', revision: 9 })).status).toBe(404)
  })

  it.each([
    {},
    { model: 5 },
    { model: '' },
    { model: 'm', x: 1 },
    { model: 'm', down: 'b1' },
    { model: 'm', revision: -1 },
    { model: 'm', revision: 'x' },
  ])('refuses %j', async (body) => {
    expect((await explain(body)).status).toBeGreaterThanOrEqual(400)
  })
})
