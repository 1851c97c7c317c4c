// Which models a backend has: what is a list of them, and what becomes of the last one.
import { createChecker } from './check.ts'
import {
  apply,
  backend,
  look,
  looked,
  masterKey,
  ownOf,
  resourceOf,
  seen,
  settled,
  start,
  told,
  useProbe,
} from './probe-harness.ts'

useProbe()

const LIST = '/v1/models'
const INTERVAL_MS = 10_000

async function check(input: object = {}) {
  const resource = resourceOf({ kind: 'vllm', url: backend.url, ...input })
  const options = { ...ownOf(resource), masterKey, fleet: 'default', monotonicMs: () => 0 }
  const checker = createChecker(options)
  const checked = await checker.check()
  await checker.close()
  return checked
}

const answer = (body: string) => backend.failWith(200, { body, only: LIST })
const paths = () => backend.requests.map(({ path }) => path)
const alive = (models: readonly string[] | null) => ({ result: 'pass', error: null, models })

describe('discovery', () => {
  it('answers the models that the backend lists', async () => {
    backend.setModels(['a', 'team/b', 'c:7b'])
    expect(await check()).toMatchObject(alive(['a', 'team/b', 'c:7b']))
    expect(paths()).toEqual(['/health', LIST])
  })

  it('needs one request where the list tells health as well', async () => {
    expect(await check({ kind: 'openai-compatible' })).toMatchObject(alive(['m1']))
    expect(paths()).toEqual([LIST])
  })

  it('asks nothing where the operator named the models', async () => {
    expect(await check({ models: ['m1'] })).toMatchObject(alive(null))
    expect(paths()).toEqual(['/health'])
  })

  it('asks nothing of a backend that is not alive', async () => {
    backend.failWith(500, { only: '/health' })
    expect(await check()).toMatchObject({ result: 'fail', models: null })
    backend.heal()
    backend.warmUp({ only: '/health' })
    expect(await check()).toMatchObject({ result: 'warming-up', models: null })
    expect(paths()).toEqual(['/health', '/health'])
  })

  it('takes an empty list for one', async () => {
    backend.setModels([])
    expect(await check()).toMatchObject(alive([]))
  })

  it('takes as many models as a backend may have, and no more', async () => {
    backend.setModels(Array.from({ length: 10_050 }, (_, i) => `model-${i}`))
    const { models } = await check()
    expect([models?.length, models?.[0], models?.at(-1)]).toEqual([10_000, 'model-0', 'model-9999'])
  })

  it('leaves out entries that no client could ask for', async () => {
    const entries = [{ id: 'a' }, { id: 7 }, null, 'b', {}, { id: '' }, { id: 'a' }, { id: 'c' }]
    answer(JSON.stringify({ data: entries }))
    expect(await check()).toMatchObject(alive(['a', 'c']))
  })

  it.each([
    ['no JSON', '<html>Welcome to nginx!</html>'],
    ['half a list', '{"data":[{"id":"a"},'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list of something', '{"data":{"id":"a"}}'],
    ['an error with status 200', '{"error":{"message":"no"}}'],
    ['an array, nested deeply', '['.repeat(200_000)],
  ])('takes %s for no list, and the backend still is alive', async (_, body) => {
    answer(body)
    expect(await check()).toMatchObject(alive(null))
  })

  it.each([301, 401, 404, 429, 500, 503])(
    'takes a list with status %i for none',
    async (status) => {
      backend.failWith(status, { only: LIST, body: '{"data":[{"id":"a"}]}' })
      expect(await check()).toMatchObject(alive(null))
    },
  )

  it('gives up a list that is too large, slow, or cut', async () => {
    answer(`{"data":[{"id":"a"}],"more":"${'x'.repeat(4_194_304)}"}`)
    expect(await check()).toMatchObject(alive(null))
    backend.heal()
    backend.hang({ only: LIST })
    expect(await check({ health: { timeoutMs: 50 } })).toMatchObject(alive(null))
    backend.heal()
    backend.cutAfter(0, { only: LIST })
    expect(await check()).toMatchObject(alive(null))
  })
})

describe('what the fleet hears of models', () => {
  beforeEach(async () => {
    await apply('b1', { kind: 'vllm', url: backend.url, health: { intervalMs: INTERVAL_MS } })
    await start()
    await looked()
    told.splice(0)
  })

  it('is the new list, once, when it changed', async () => {
    backend.setModels(['m1', 'm2'])
    await look(INTERVAL_MS)
    await look(INTERVAL_MS)
    expect(told).toMatchObject([[{ health: 'ready', models: ['m1', 'm2'] }]])
  })

  it('is the last good list while there is no new one', async () => {
    answer('<html>maintenance</html>')
    expect(await look(INTERVAL_MS)).toMatchObject({ health: 'ready', models: ['m1'] })
    backend.heal()
    backend.failWith(500)
    for (const ms of [INTERVAL_MS, 1_000, 1_000]) await look(ms)
    await settled()
    expect(seen()).toMatchObject({ health: 'down', models: ['m1'] })
  })
})
