import { type BackendSpec, type NetworkSpec, parseSpec } from '@signalbox/model'
import { type CompiledBackend } from '@signalbox/routing'
import { Live, observeStatus, suspectOf } from './live-backend.ts'

const network: NetworkSpec = { allow: [] }

function compiled(given: object, revision = 1): CompiledBackend {
  const spec = parseSpec('backend', { kind: 'vllm', url: 'http://127.0.0.1:9', ...given })
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  const room = 1
  return {
    index: 0,
    id: 'b',
    revision,
    spec: spec.value as BackendSpec,
    credential: null,
    room,
    limits: null,
  }
}
const bound = (backend: CompiledBackend, secret?: string) => ({ backend, secret, network })

describe('a backend that nobody has asked yet', () => {
  it('has no connections, no headers and no breaker, and says so', () => {
    const live = new Live(bound(compiled({})))
    expect(live.openedUpstream).toBeUndefined()
    expect(live.poolStats()).toEqual({ open: 0, idle: 0, pending: 0 })
    expect([live.breaker, live.models]).toEqual([undefined, undefined])
  })

  it('has them from its first use on, always the same', () => {
    const live = new Live(bound(compiled({}), 's3cret'))
    const { upstream, headers, paths } = live
    expect(live.openedUpstream).toBe(upstream)
    expect([live.upstream, live.headers, live.paths]).toEqual([upstream, headers, paths])
    expect(live.upstream).toBe(upstream)
    expect([...headers.values()].flat().join()).toContain('s3cret')
    const { breaker } = suspectOf(live)
    expect(suspectOf(live).breaker).toBe(breaker)
  })

  it('is bound anew without making any', () => {
    const live = new Live(bound(compiled({})))
    live.rebind(bound(compiled({ url: 'http://127.0.0.1:10' }, 2)))
    expect(live.openedUpstream).toBeUndefined()
    expect(live.sinceRevision).toBe(2)
  })
})

describe('a backend that was asked', () => {
  const status = { backend: 'b', revision: 1, health: 'ready', models: null } as never

  it('keeps its way, and what is known of it, through a change that leaves the way as it is', () => {
    const live = new Live(bound(compiled({})))
    const [upstream, { breaker }] = [live.upstream, suspectOf(live)]
    observeStatus(live, status)
    live.rebind(bound(compiled({ weight: 7 }, 2)))
    expect([live.openedUpstream, live.breaker, live.status]).toEqual([upstream, breaker, status])
    expect(live.openedUpstream).toBe(upstream)
  })

  it.each([
    ['another address', { url: 'http://127.0.0.1:10' }, undefined, null],
    ['another number of connections', { limits: { connections: 3 } }, undefined, status],
    ['another secret', {}, 'other', status],
  ])('connects anew by %s', (_, given, secret, known) => {
    const live = new Live(bound(compiled({})))
    const { upstream } = live
    suspectOf(live)
    observeStatus(live, status)
    live.rebind(bound(compiled(given, 2), secret))
    expect([live.openedUpstream, live.breaker, live.models]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(live.status).toBe(known)
    expect(live.upstream).not.toBe(upstream)
  })
})
