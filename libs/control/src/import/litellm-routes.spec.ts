import { pathsOf, refusalOf } from './import-harness.ts'
import { at, imported, target } from './litellm-harness.ts'

describe('tiers', () => {
  const id = 'hosted-vllm-h-test-8000'
  const tiersOf = (list: readonly object[], settings: object = {}) => {
    const { config, unmapped } = imported({ model_list: list, router_settings: settings })
    const { m } = config.routes as Record<string, { tiers: { targets: unknown[] }[] }>
    return [m?.tiers.map(({ targets }) => targets), pathsOf(unmapped)]
  }
  const url = (index: number) => `http://h${index}.test:8000`
  const one = (name: string, params: object = {}) =>
    at('m', { model: `hosted_vllm/${name}`, ...params })

  it('follow order, and end with those that have none', () => {
    const list = [one('a', { order: 2 }), one('b'), one('c', { order: 1 }), one('d', { order: 2 })]
    expect(tiersOf(list)).toEqual([
      [[target(id, 'c')], [target(id, 'a'), target(id, 'd')], [target(id, 'b')]],
      [],
    ])
  })

  it.each([
    [
      [7, 3],
      [7, 3],
    ],
    [
      [0.7, 0.3],
      [7, 3],
    ],
    [
      [0.125, 0.5],
      [125, 500],
    ],
    [
      [5000, 2500],
      [1000, 500],
    ],
    [
      [1e9, 1],
      [1000, 1],
    ],
    [
      [1e-9, 1],
      [1, 1000],
    ],
  ])('keep the proportion of the weights %j', (said, expected) => {
    const list = said.map((weight, index) => one(`m${index}`, { weight }))
    const targets = expected.map((weight, index) => target(id, `m${index}`, weight))
    expect(tiersOf(list)).toEqual([[targets], []])
  })

  it('keep those without a weight for when the others are down', () => {
    const list = [one('a', { weight: 2 }), one('b'), one('c', { weight: 0 })]
    expect(tiersOf(list)).toEqual([[[target(id, 'a', 2)], [target(id, 'b'), target(id, 'c')]], []])
  })

  it('go by rpm, else by tpm, where nobody has a weight', () => {
    const rates = [{ rpm: 600, tpm: 1 }, { rpm: 300 }, { tpm: 9 }]
    const list = rates.map((params, index) => one(`m${index}`, { ...params, api_base: url(index) }))
    const other = (name: string, weight?: number) =>
      expect.objectContaining({ model: name, ...(weight === undefined ? {} : { weight }) })
    expect(tiersOf(list)).toEqual([[[other('m0', 600), other('m1', 300)], [other('m2')]], []])
    const byTokens = list.map((entry) => {
      const { rpm: _, ...params } = entry.litellm_params as { rpm?: number }
      return { ...entry, litellm_params: params }
    })
    expect(tiersOf(byTokens)).toEqual([[[other('m0', 1), other('m2', 9)], [other('m1')]], []])
    const weighed = list.map((entry, index) => ({
      ...entry,
      litellm_params: { ...entry.litellm_params, weight: index + 1 },
    }))
    expect(tiersOf(weighed)).toEqual([[[other('m0', 1), other('m1', 2), other('m2', 3)]], []])
  })

  it('are alike where all have the same rate, or another strategy decides', () => {
    const list = (...rpms: number[]) =>
      rpms.map((rpm, index) => one(`m${index}`, { rpm, api_base: url(index) }))
    const alike = [
      [['m0', 'm1'].map((name) => expect.objectContaining({ model: name, weight: 1 }))],
      [],
    ]
    expect(tiersOf(list(60, 60))).toEqual(alike)
    expect(tiersOf(list(60, 90), { routing_strategy: 'least-busy' })).toEqual(alike)
  })

  it('have no weights under another strategy, and say so', () => {
    const list = [one('a', { weight: 2 }), one('b')]
    expect(tiersOf(list, { routing_strategy: 'latency-based-routing' })).toEqual([
      [[target(id, 'a'), target(id, 'b')]],
      ['model_list.0.litellm_params.weight'],
    ])
  })
})

describe('a policy of its own', () => {
  const policiesOf = (list: readonly object[], settings: object = {}) => {
    const { config, unmapped } = imported({ model_list: list, router_settings: settings })
    expect(refusalOf(config)).toBeUndefined()
    const routes = config.routes as Record<string, { policy?: string }>
    const used = Object.entries(routes).map(([id, { policy }]) => [id, policy])
    return { used: Object.fromEntries(used), policies: config.policies, left: pathsOf(unmapped) }
  }

  it('is shared by models that say the same', () => {
    const list = [at('a', { timeout: 5 }), at('b', { timeout: '5s' }), at('c', { max_retries: 0 })]
    const { used, policies, left } = policiesOf(list)
    expect(used).toEqual({ a: 'a', b: 'a', c: 'c' })
    expect(policies).toMatchObject({
      a: { timeouts: { totalMs: 5_000, streamTotalMs: 5_000 } },
      c: { retry: { maxRetries: 0 } },
    })
    expect(left).toEqual([])
  })

  it('is the default one where it says what that says', () => {
    const { used } = policiesOf([at('a', { num_retries: 2 })], { num_retries: 2 })
    expect(used).toEqual({ a: 'default' })
  })

  it('does not take the id of the default one', () => {
    expect(policiesOf([at('default', { timeout: 5 })]).used).toEqual({ default: 'default-2' })
  })

  it('is reported where the deployments disagree', () => {
    const list = [at('a', { timeout: 5, max_retries: 1 }), at('a', { timeout: 6 }), at('b')]
    const { used, left } = policiesOf(list)
    expect(used).toEqual({ a: undefined, b: undefined })
    expect(left).toEqual([
      'model_list.0.litellm_params.timeout',
      'model_list.0.litellm_params.max_retries',
      'model_list.1.litellm_params.timeout',
    ])
  })
})
