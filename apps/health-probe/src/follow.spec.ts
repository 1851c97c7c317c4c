// The probe and the configuration: what is watched is what the newest revision says.
import { createServer } from 'node:net'
import { createHub } from '@signalbox/bus'
import { listen, seal } from '@signalbox/host'
import { eventually } from '@signalbox/testing'
import {
  another,
  apply,
  backend,
  bus,
  clock,
  get,
  listener,
  look,
  looked,
  metrics,
  masterKey,
  otherKey,
  probe,
  sealedFor,
  seen,
  settled,
  start,
  told,
  useProbe,
} from './probe-harness.ts'
import { REPEAT_MS } from './start.ts'

useProbe()

const HOUR_MS = 3_600_000
/** No look is repeated by itself while a test lasts. */
const spec = (more: object = {}) => ({
  kind: 'openai-compatible',
  url: backend.url,
  health: { intervalMs: HOUR_MS, unhealthyThreshold: 1 },
  ...more,
})
const gauge = async (name: string) => {
  const line = new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (.*)$`, 'm')
  return line.exec(await metrics.metrics())?.[1]
}

describe('the probe follows the configuration:', () => {
  it('a backend that is added is looked at at once', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    const revision = await apply('b2', spec())
    await looked('b2')
    expect(seen('b2')).toMatchObject({ health: 'ready', revision })
    expect(told.flat().map((status) => status.backend)).toEqual(['b1', 'b2'])
    expect(backend.requests).toHaveLength(2)
  })

  it('one that changed is looked at at once, and told at its new revision', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    told.splice(0)
    const revision = await apply('b1', spec({ weight: 2 }))
    await eventually(() => told.length === 1)
    expect(told).toMatchObject([[{ health: 'ready', revision }]])
    expect(backend.requests).toHaveLength(2)
  })

  it('one that did not change is left alone', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    for (const id of ['b2', 'b3']) {
      await apply(id, spec())
      await looked(id)
    }
    expect(seen()?.revision).toBe(1)
    expect(backend.requests).toHaveLength(3)
  })

  it('a status is of the revision that was looked at, not of one that waits for it', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    told.splice(0)
    backend.hang()
    await apply('b1', spec({ weight: 2, health: { timeoutMs: '1h' } }))
    await backend.requested(2)
    listener.askAround()
    await settled()
    expect(told).toMatchObject([[{ revision: 1, checkedAtMs: clock.nowMs() }]])
  })

  it('what was known of an address is kept while the address is the same', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    const sinceMs = seen()?.sinceMs
    clock.advance(1)
    backend.failWith(500)
    const more = { health: { intervalMs: HOUR_MS, unhealthyThreshold: 2 } }
    const revision = await apply('b1', spec(more))
    await looked()
    expect(seen()).toMatchObject({ health: 'ready', sinceMs, error: 'answered 500', revision })
  })

  it('an address that the settings shut out is not connected to, until they let it in', async () => {
    const url = `http://localhost:${backend.port}`
    const shut = 'no address of it is one that settings.network.allow lets through'
    await apply('default', { network: { allow: ['public'] } }, 'settings')
    await apply('b1', spec({ url }))
    await apply('b2', spec())
    await start()
    const errors = () => probe.statuses().map(({ error }) => error)
    await eventually(() => errors().length === 2)
    expect([errors(), backend.connections.total]).toEqual([[shut, shut], 0])
    await apply('default', { network: { allow: ['127.0.0.0/8', '::1'] } }, 'settings')
    await backend.requested(2)
    await eventually(() => errors().every((error) => error === null))
  })

  it('nothing that was known of another address is', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    clock.advance(1)
    const moved = await another({ models: ['m2'] })
    moved.failWith(500, { times: 1 })
    const more = { health: { intervalMs: HOUR_MS, unhealthyThreshold: 2 } }
    await apply('b1', spec({ ...more, url: moved.url }))
    await looked()
    expect(seen()).toMatchObject({ health: 'unknown', models: null, sinceMs: clock.nowMs() })
    expect(await look(1_000)).toMatchObject({ health: 'ready', models: ['m2'] })
    expect(backend.requests).toHaveLength(1)
    await eventually(() => backend.connections.open === 0)
  })

  it.each<[string, object | null]>([
    ['removed', null],
    ['disabled', { enabled: false }],
    ['not to be watched', { health: { enabled: false } }],
  ])('one that is %s is looked at no more, spoken of no more, and let go', async (_, change) => {
    await apply('b1', spec())
    await start()
    await looked()
    expect(await gauge('backend_health_status{backend="b1"}')).toBe('1')
    told.splice(0)
    await apply('b1', change && spec(change))
    await eventually(() => backend.connections.open === 0)
    expect(await gauge('backend_health_status{backend="b1"}')).toBeUndefined()
    clock.advance(2 * HOUR_MS)
    listener.askAround()
    await settled()
    expect([probe.statuses(), told, backend.requests.length]).toEqual([[], [], 1])
  })

  it('a look that is under way when its backend goes is not told', async () => {
    backend.hang()
    await apply('b1', spec({ health: { timeoutMs: '1h' } }))
    await start()
    await backend.requested(1)
    await apply('b1', null)
    await backend.disconnected(1)
    await settled()
    expect([probe.statuses(), told]).toEqual([[], []])
  })

  it('one that is enabled again is looked at as a new one', async () => {
    await apply('b1', spec({ enabled: false }))
    await start()
    const revision = await apply('b1', spec())
    await looked()
    expect(seen()).toMatchObject({ health: 'ready', revision })
  })

  it('one whose credential does not open is unknown, until one comes that does', async () => {
    backend.requireCredential('sk-1')
    await apply('b1', spec({ credential: sealedFor('b1', 'sk-1', otherKey) }))
    await start()
    await looked()
    const error = 'credential does not open with the master key of this probe'
    expect(seen()).toMatchObject({ health: 'unknown', error, models: null })
    expect(told).toMatchObject([[{ health: 'unknown', error, latencyMs: null }]])
    expect(backend.requests).toEqual([])
    clock.advance(1)
    const health = { intervalMs: HOUR_MS, healthyThreshold: 1 }
    await apply('b1', spec({ credential: sealedFor('b1', 'sk-1'), health }))
    await looked()
    expect(seen()).toMatchObject({ health: 'ready', error: null, models: ['m1'] })
  })
})

describe('a secret that changes', () => {
  const sealed = (value: string) => ({
    sealed: seal(value, masterKey, 'default/secret/s'),
    fingerprint: 'f',
  })

  it('is looked with at once, without a change of the backend', async () => {
    backend.requireCredential('sk-2')
    await apply('s', sealed('sk-1'), 'secret')
    const health = { intervalMs: HOUR_MS, healthyThreshold: 1, unhealthyThreshold: 1 }
    const revision = await apply('b1', spec({ credential: { secret: 's' }, health }))
    await start()
    await looked()
    expect(seen()).toMatchObject({ health: 'down' })
    clock.advance(1)
    await apply('s', sealed('sk-2'), 'secret')
    await looked()
    expect(seen()).toMatchObject({ health: 'ready', revision, models: ['m1'] })
    clock.advance(1)
    await apply('other', sealed('x'), 'secret')
    await settled()
    expect(seen()?.checkedAtMs).not.toBe(clock.nowMs())
  })
})

describe('the whole table', () => {
  beforeEach(async () => {
    await apply('b1', spec())
    await apply('b2', spec())
    await start()
    await looked('b1', 'b2')
    told.splice(0)
  })

  const tables = () => told.map((statuses) => statuses.map((status) => status.backend))

  it('is repeated again and again, without another look', async () => {
    clock.advance(REPEAT_MS - 1)
    await settled()
    expect(tables()).toEqual([])
    clock.advance(1)
    await settled()
    clock.advance(REPEAT_MS)
    await settled()
    expect(tables()).toEqual([
      ['b1', 'b2'],
      ['b1', 'b2'],
    ])
    expect(told[1]).toEqual(told[0])
    expect(backend.requests).toHaveLength(2)
  })

  it('is told to who asks', async () => {
    listener.askAround()
    await settled()
    expect(tables()).toEqual([['b1', 'b2']])
  })

  it('is told when the bus is back', async () => {
    bus.setConnected(false)
    await settled()
    expect(tables()).toEqual([])
    bus.setConnected(true)
    await settled()
    expect(tables()).toEqual([['b1', 'b2']])
  })
})

describe('a probe that sees nearly all of its backends fail', () => {
  const ids = ['b1', 'b2', 'b3', 'b4', 'b5']
  /** What the fleet last heard of each. */
  const heard = () => {
    const last = new Map(told.flat().map(({ backend, health }) => [backend, health]))
    return ids.map((id) => last.get(id))
  }

  it('suspects itself, and says all it knows once it no longer does', async () => {
    const other = await another()
    for (const id of ids) await apply(id, spec(id < 'b3' ? { url: other.url } : {}))
    backend.failWith(500)
    other.failWith(500)
    await start()
    await looked(...ids)
    expect(heard()).toEqual(ids.map(() => 'unknown'))
    expect(await gauge('signalbox_probe_suspects_itself')).toBe('1')
    expect(seen()?.health).toBe('down')
    other.heal()
    clock.advance(5_000)
    await looked(...ids)
    clock.advance(1_000)
    await looked('b1', 'b2')
    expect(heard()).toEqual(['ready', 'ready', 'down', 'down', 'down'])
    expect(await gauge('signalbox_probe_suspects_itself')).toBe('0')
  })

  it('takes back what it said before it suspected itself', async () => {
    for (const id of ids.slice(0, 4)) await apply(id, spec())
    backend.failWith(500)
    await start()
    await looked(...ids.slice(0, 4))
    expect(heard()).toEqual(['down', 'down', 'down', 'down', undefined])
    await apply('b5', spec())
    await looked('b5')
    expect(heard()).toEqual(ids.map(() => 'unknown'))
  })
})

describe('the process', () => {
  it('is alive, but not ready, while it has no configuration', async () => {
    await start({ bus: createHub({ clock }).connect() })
    expect((await get('/healthz')).status).toBe(200)
    const before = await get('/readyz')
    expect([before.status, await before.json()]).toMatchObject([
      503,
      { ready: false, reasons: ['no-configuration'] },
    ])
  })

  it('is ready once it has one', async () => {
    await apply('b1', spec())
    await start()
    const after = await get('/readyz')
    expect([after.status, await after.json()]).toMatchObject([
      200,
      { ready: true, reasons: [], detail: { revision: 1 } },
    ])
  })

  it('stays ready while the bus is away', async () => {
    await apply('b1', spec())
    await start()
    bus.setConnected(false)
    await settled()
    expect((await get('/readyz')).status).toBe(200)
  })

  it('shows its metrics, and nothing on other paths', async () => {
    await apply('b1', spec())
    await start()
    await looked()
    const text = await (await get('/metrics')).text()
    expect(text).toContain('signalbox_probe_duration_seconds_count{result="pass"} 1')
    expect(text).toContain('backend_health_status{backend="b1"} 1')
    expect((await get('/v1/models')).status).toBe(404)
  })

  it('ends everything that it started when it is stopped', async () => {
    const hanging = await another()
    hanging.hang()
    await apply('b1', spec())
    await apply('b2', spec({ url: hanging.url, health: { timeoutMs: '1h' } }))
    await start()
    await looked()
    await hanging.requested(1)
    told.splice(0)
    await probe.stop()
    expect(clock.pending()).toBe(0)
    await eventually(() => backend.connections.open + hanging.connections.open === 0)
    clock.advance(HOUR_MS)
    listener.askAround()
    await settled()
    expect([told, backend.requests.length]).toEqual([[], 1])
    await expect(get('/healthz')).rejects.toMatchObject({ message: 'fetch failed' })
  })

  it('leaves nothing running where its port is in use', async () => {
    await apply('b1', spec())
    const holder = createServer()
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
    const taken = await listen(holder, address, 'none')
    await expect(start({}, { listen: taken })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/ is in use .* SIGNALBOX_PROBE_LISTEN /),
    })
    expect(clock.pending()).toBe(0)
    await new Promise((resolve) => holder.close(resolve))
  })
})
