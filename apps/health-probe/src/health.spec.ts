// When a backend is in and when it is out, over real sockets and a clock that stands still.
import {
  another,
  apply,
  backend,
  clock,
  delays,
  look,
  looked,
  seededRandom,
  seen,
  settled,
  start,
  told,
  useProbe,
} from './probe-harness.ts'

useProbe()

/** Shorter than the pause after which the whole table is repeated. */
const INTERVAL_MS = 20_000
const UNDECIDED_MS = 1_000
const DOWN_MS = 5_000
const spec = (health: object = {}) => ({
  kind: 'openai-compatible',
  url: backend.url,
  health: { intervalMs: INTERVAL_MS, ...health },
})
const healths = () => told.map((statuses) => statuses.map(({ health }) => health).join())

async function startReady(health: object = {}): Promise<void> {
  await apply('b1', spec(health))
  await start()
  await looked()
  expect(seen()?.health).toBe('ready')
  delays.splice(0)
  told.splice(0)
}

describe('a backend that nobody has seen yet', () => {
  it('is ready after its first pass, and the fleet is told all about it', async () => {
    const startMs = clock.nowMs()
    const revision = await apply('b1', spec())
    await start()
    await looked()
    const status = {
      backend: 'b1',
      health: 'ready',
      sinceMs: startMs,
      checkedAtMs: startMs,
      latencyMs: 0,
      error: null,
      models: ['m1'],
      revision,
      observer: 'probe-1',
    }
    expect(seen()).toEqual(status)
    await settled()
    expect(told).toEqual([[status]])
  })

  it('is unknown, which is usable, until its third failure', async () => {
    backend.failWith(500)
    await apply('b1', spec())
    await start()
    await looked()
    expect(seen()).toMatchObject({ health: 'unknown', error: 'answered 500', models: null })
    expect((await look(UNDECIDED_MS))?.health).toBe('unknown')
    expect((await look(UNDECIDED_MS))?.health).toBe('down')
    expect(healths()).toEqual(['unknown', 'down'])
  })

  it('is not spoken of before its first look has ended', async () => {
    backend.hang()
    await apply('b1', spec({ timeoutMs: '1h' }))
    const probe = await start()
    await backend.requested(1)
    clock.advance(60_000)
    await settled()
    expect(probe.statuses()).toEqual([])
    expect(told).toEqual([])
  })
})

describe('a backend that is ready', () => {
  it('is down after exactly three failures in a row, and told so once', async () => {
    await startReady()
    backend.failWith(500)
    expect((await look(INTERVAL_MS))?.health).toBe('ready')
    expect((await look(UNDECIDED_MS))?.health).toBe('ready')
    expect(told).toEqual([])
    const down = await look(UNDECIDED_MS)
    expect(down).toMatchObject({ health: 'down', error: 'answered 500', sinceMs: clock.nowMs() })
    await settled()
    expect(told).toEqual([[down]])
    expect(delays).toEqual([UNDECIDED_MS, UNDECIDED_MS, DOWN_MS])
  })

  it('is back after exactly two passes in a row, and told so once', async () => {
    await startReady()
    backend.failWith(500, { times: 3 })
    for (const ms of [INTERVAL_MS, UNDECIDED_MS, UNDECIDED_MS]) await look(ms)
    told.splice(0)
    delays.splice(0)
    expect((await look(DOWN_MS))?.health).toBe('down')
    expect(told).toEqual([])
    const ready = await look(UNDECIDED_MS)
    expect(ready).toMatchObject({ health: 'ready', error: null, sinceMs: clock.nowMs() })
    await settled()
    expect(told).toEqual([[ready]])
    expect(delays).toEqual([UNDECIDED_MS, INTERVAL_MS])
  })

  it('stays so while failures and passes alternate, and nobody hears of it', async () => {
    await startReady({ intervalMs: 2_000 })
    const sinceMs = seen()?.sinceMs
    for (let i = 0; i < 4; i++) {
      backend.failWith(500, { times: 2 })
      expect((await look(2_000))?.error).toBe('answered 500')
      expect((await look(UNDECIDED_MS))?.error).toBe('answered 500')
      expect((await look(UNDECIDED_MS))?.error).toBeNull()
    }
    await settled()
    expect(seen()).toMatchObject({ health: 'ready', sinceMs })
    expect(told).toEqual([])
  })

  it('is warming up at its first 503, looked at every second, and ready at once after', async () => {
    await startReady()
    backend.warmUp({ times: 3 })
    expect((await look(INTERVAL_MS))?.health).toBe('warming_up')
    expect((await look(UNDECIDED_MS))?.health).toBe('warming_up')
    expect((await look(UNDECIDED_MS))?.health).toBe('warming_up')
    expect((await look(UNDECIDED_MS))?.health).toBe('ready')
    await settled()
    expect(healths()).toEqual(['warming_up', 'ready'])
    expect(delays).toEqual([UNDECIDED_MS, UNDECIDED_MS, UNDECIDED_MS, INTERVAL_MS])
  })

  it('is taken out and in again by the thresholds of its own', async () => {
    await startReady({ unhealthyThreshold: 1, healthyThreshold: 3 })
    backend.failWith(500, { times: 1 })
    expect((await look(INTERVAL_MS))?.health).toBe('down')
    expect((await look(DOWN_MS))?.health).toBe('down')
    expect((await look(UNDECIDED_MS))?.health).toBe('down')
    expect((await look(UNDECIDED_MS))?.health).toBe('ready')
  })

  it('is down where its connection is refused, and back on the same port', async () => {
    await startReady({ unhealthyThreshold: 1, healthyThreshold: 1 })
    await backend.refuse()
    expect(await look(INTERVAL_MS)).toMatchObject({ health: 'down', error: 'connection refused' })
    await backend.accept()
    expect(await look(DOWN_MS)).toMatchObject({ health: 'ready', error: null })
  })

  it('is looked at once per interval, and by one request', async () => {
    await startReady()
    for (let i = 2; i <= 5; i++) {
      await look(INTERVAL_MS)
      expect(backend.requests).toHaveLength(i)
    }
    expect(new Set(backend.requests.map(({ method, path }) => `${method} ${path}`))).toEqual(
      new Set(['GET /v1/models']),
    )
  })
})

describe('backends side by side', () => {
  it('are each looked at on their own: one that hangs delays nobody', async () => {
    const hanging = await another()
    hanging.hang()
    await apply('b1', spec())
    await apply('b2', { ...spec({ timeoutMs: '1h' }), url: hanging.url })
    await start()
    await looked()
    for (let i = 0; i < 3; i++) await look(INTERVAL_MS)
    expect([backend.requests.length, hanging.requests.length]).toEqual([4, 1])
    expect(seen('b2')).toBeUndefined()
  })

  it('drift apart by a tenth of the interval at most', async () => {
    const ids = ['b1', 'b2', 'b3', 'b4']
    for (const id of ids) await apply(id, spec())
    await start({ random: seededRandom(7) })
    await looked(...ids)
    for (let i = 0; i < 5; i++) {
      clock.advance(INTERVAL_MS * 1.1)
      await looked(...ids)
    }
    expect(delays).toHaveLength(24)
    expect(new Set(delays).size).toBe(24)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(INTERVAL_MS * 0.9)
    expect(Math.max(...delays)).toBeLessThan(INTERVAL_MS * 1.1)
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(INTERVAL_MS * 0.1)
  })
})
