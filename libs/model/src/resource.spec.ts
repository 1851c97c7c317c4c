import { DEFAULT_POLICY } from './policy.ts'
import { parseId, parseSpec, type ResourceName } from './resource.ts'

const BACKEND = { kind: 'vllm', url: 'http://127.0.0.1:8000' }
const target = (backend: unknown) => ({ backend })

/** `path: message` of everything that is wrong with a spec. */
function problems(name: ResourceName, input: unknown): string[] {
  const parsed = parseSpec(name, input)
  return parsed.ok ? [] : parsed.error.map(({ path, message }) => `${path}: ${message}`)
}

describe('parseSpec', () => {
  it('fills in the defaults of a backend', () => {
    expect(parseSpec('backend', BACKEND)).toEqual({
      ok: true,
      value: {
        ...BACKEND,
        models: 'discover',
        weight: 1,
        enabled: true,
        labels: {},
        limits: { connections: 500, idleConnections: 100, pending: 1000 },
        timeouts: {},
        health: {
          enabled: true,
          intervalMs: 30_000,
          timeoutMs: 5_000,
          unhealthyThreshold: 3,
          healthyThreshold: 2,
        },
        http2: 'auto',
        tls: { verify: true },
        prewarm: true,
      },
    })
  })

  it('fills in the defaults of a policy', () => {
    expect(parseSpec('policy', {})).toEqual({ ok: true, value: DEFAULT_POLICY })
    expect(DEFAULT_POLICY).toMatchObject({ strategy: 'RoundRobin', retry: { maxRetries: 2 } })
  })

  it('fills in the defaults of a route', () => {
    const parsed = parseSpec('route', { tiers: [{ targets: [target('b1')] }] })
    expect(parsed).toEqual({
      ok: true,
      value: {
        aliases: [],
        fallbacks: [],
        tiers: [{ targets: [{ backend: 'b1', weight: 1 }] }],
        policy: 'default',
        labels: {},
      },
    })
  })

  it('reads its own answer back unchanged', () => {
    const first = parseSpec('backend', { ...BACKEND, health: { intervalMs: '10s' } })
    expect(first.ok && parseSpec('backend', first.value)).toEqual(first)
  })

  it.each<[string, ResourceName, unknown]>([
    ['spec.limits.connections', 'backend', { ...BACKEND, limits: { connections: 0 } }],
    ['spec.limits.conections', 'backend', { ...BACKEND, limits: { conections: 5 } }],
    ['spec.kind', 'backend', { ...BACKEND, kind: 'abacus' }],
    ['spec.url', 'backend', { ...BACKEND, url: 'ftp://host' }],
    ['spec.models.1', 'backend', { ...BACKEND, models: ['a', 'b c'] }],
    ['spec.health.intervalMs', 'backend', { ...BACKEND, health: { intervalMs: 'soon' } }],
    ['spec.labels', 'backend', { ...BACKEND, labels: 'zone' }],
    [
      'spec.tiers.0.targets.1.backend',
      'route',
      { tiers: [{ targets: [target('b1'), target('not an id')] }] },
    ],
    ['spec.tiers.0.targets.0', 'route', { tiers: [{ targets: [{}] }] }],
    ['spec.tiers.0.targets', 'route', { tiers: [{ targets: [] }] }],
    ['spec.tiers', 'route', {}],
    ['spec.retry.maxRetries', 'policy', { retry: { maxRetries: 11 } }],
    ['spec.strategy', 'policy', { strategy: 'Fastest' }],
    ['spec', 'backend', undefined],
    ['spec', 'policy', null],
    ['spec', 'route', 'text'],
  ])('names %s', (path, name, input) => {
    expect(problems(name, input).map((line) => line.split(': ')[0])).toEqual([path])
  })

  it('names every wrong field at once', () => {
    const wrong = { kind: 'abacus', url: 5, colour: 'red', limits: { pending: -1 } }
    const paths = problems('backend', wrong).map((line) => line.split(': ')[0])
    expect(paths.sort()).toEqual(['spec.colour', 'spec.kind', 'spec.limits.pending', 'spec.url'])
  })

  it('says which fields there are where one is unknown', () => {
    expect(problems('backend', { ...BACKEND, health: { interval: '1s' } })).toEqual([
      'spec.health.interval: unknown field; expected enabled, path, intervalMs, timeoutMs, ' +
        'unhealthyThreshold, healthyThreshold',
    ])
  })

  it('says what is right where a list or a word may stand', () => {
    expect(problems('backend', { ...BACKEND, models: 5 })).toEqual([
      expect.stringMatching(/^spec\.models: .*discover.*, or .*array/),
    ])
  })

  it('says which label has no proper name, and what one looks like', () => {
    expect(problems('backend', { ...BACKEND, labels: { 'a b': 'c' } })).toEqual([
      'spec.labels.a b: expected a label name',
    ])
  })

  it.each([
    ['http://user:secret@host', 'no credentials'],
    ['http://host/?key=secret', 'no query'],
    ['http://host/#part', 'no query and no fragment'],
    ['host:8000', 'expected'],
    ['/v1', 'absolute URL'],
  ])('refuses the URL %s without repeating it', (url, hint) => {
    const [problem = ''] = problems('backend', { ...BACKEND, url })
    expect(problem).toContain(hint)
    expect(problem).not.toContain('secret')
  })

  it('refuses a target with both a backend and labels', () => {
    const both = { backend: 'b1', labels: { zone: 'a' } }
    expect(problems('route', { tiers: [{ targets: [both] }] })).toEqual([
      'spec.tiers.0.targets.0: expected exactly one of backend and labels',
    ])
  })
})

describe('parseId', () => {
  it('takes a model name as the id of a route, and only of a route', () => {
    expect(parseId('route', 'meta/llama:8b')).toEqual({ ok: true, value: 'meta/llama:8b' })
    expect(parseId('backend', 'meta/llama:8b')).toMatchObject({ ok: false })
  })

  it('names the field id', () => {
    expect(parseId('policy', 5)).toMatchObject({ ok: false, error: [{ path: 'id' }] })
  })
})
