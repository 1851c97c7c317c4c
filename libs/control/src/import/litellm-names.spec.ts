import { pathsOf, refusalOf } from './import-harness.ts'
import { at, imported } from './litellm-harness.ts'

describe('names', () => {
  const models = ['a', 'b', 'c'].map((name) => at(name, { model: `hosted_vllm/${name}` }))
  const chains = (settings: object) => {
    const { config, unmapped } = imported({ model_list: models, router_settings: settings })
    expect(refusalOf(config)).toBeUndefined()
    const routes = Object.entries(config.routes) as [
      string,
      { tiers: { targets: { model: string }[] }[] },
    ][]
    const names = routes.map(([, { tiers }]) =>
      tiers.map(({ targets }) => targets[0]?.model).join(''),
    )
    return [names, pathsOf(unmapped)]
  }

  it('fall back along their own list, or the one for all', () => {
    const settings = { fallbacks: [{ a: ['b'] }], default_fallbacks: ['c'] }
    expect(chains(settings)).toEqual([
      ['ab', 'bc', 'c'],
      ['router_settings.fallbacks', 'router_settings.default_fallbacks'],
    ])
  })

  it('of * are the list for all', () => {
    expect(chains({ fallbacks: [{ '*': ['a', 'b'] }] })[0]).toEqual(['ab', 'ba', 'cab'])
  })

  it('do not take over the fallbacks of a fallback', () => {
    expect(chains({ fallbacks: [{ a: ['b'] }, { b: ['c'] }] })[0]).toEqual(['ab', 'bc', 'c'])
  })

  it('may be aliases', () => {
    const settings = { model_group_alias: { x: 'a' }, fallbacks: [{ x: ['b'] }] }
    expect(chains(settings)[0]).toEqual(['ab', 'b', 'c'])
  })

  it('that nobody has, or that cannot be, are reported one by one', () => {
    const settings = {
      fallbacks: [{ a: ['a', 'none', { model: 'b' }], none: ['a'] }],
      model_group_alias: { x: 'none', b: 'a', 'no name': 'a' },
    }
    expect(chains(settings)).toEqual([
      ['a', 'b', 'c'],
      [
        'router_settings.fallbacks',
        'router_settings.fallbacks.0.a.0',
        'router_settings.fallbacks.0.a.1',
        'router_settings.fallbacks.0.a.2',
        'router_settings.fallbacks.0.none',
        'router_settings.model_group_alias.x',
        'router_settings.model_group_alias.b',
        'router_settings.model_group_alias.no name',
      ],
    ])
  })

  it('end at ten tiers', () => {
    const [names, left] = chains({ fallbacks: [{ a: new Array<string>(10).fill('b') }] })
    expect(names?.[0]).toBe('abbbbbbbbb')
    expect(left).toContain('router_settings.fallbacks.0.a.9')
    expect(left).not.toContain('router_settings.fallbacks.0.a.8')
  })
})

it('a list for all that is longer than a route is reported from there on', () => {
  const list = new Array<string>(12).fill('b')
  const { config, unmapped } = imported({
    model_list: [at('a'), at('b')],
    litellm_settings: { default_fallbacks: list },
  })
  const { a, b } = config.routes as Record<string, { tiers: unknown[] }>
  expect([a?.tiers.length, b?.tiers.length]).toEqual([10, 1])
  const path = 'litellm_settings.default_fallbacks'
  expect(pathsOf(unmapped)).toEqual([path, `${path}.9`, `${path}.10`, `${path}.11`])
})
