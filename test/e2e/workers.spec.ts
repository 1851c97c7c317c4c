// One proxy, two workers: to clients and to the fleet it is one, whatever becomes of a worker.
import { Agent, get as httpGet, request, type IncomingMessage } from 'node:http'
import { decodeRecords, parseSpec, type StatusTable } from '@signalbox/model'
import { eventually, type MockBackend, startMockBackend } from '@signalbox/testing'
import { end, endProcesses, isRunning } from './processes-harness.ts'
import { chatBody, startWorkersProxy, type WorkersProxy } from './workers-harness.ts'

let backend: MockBackend
let proxy: WorkersProxy

const MODELS = ['m1', 'm2']
const specOf = (more: object = {}) => {
  return { kind: 'openai-compatible', url: backend.url, models: ['m1'], ...more }
}

beforeEach(async () => {
  backend = await startMockBackend({ models: MODELS })
  proxy = await startWorkersProxy()
  await proxy.apply('b1', specOf())
})

afterEach(async () => {
  backend.release()
  await endProcesses()
  await backend.stop()
  proxy.remove()
})

/** A stream of which one event has come; the others wait. */
async function openStream() {
  const before = backend.eventsSent
  backend.holdEvents()
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { port: proxy.port, host: '127.0.0.1', path: '/v1/chat/completions' }
    const headers = { 'content-type': 'application/json' }
    const sent = request({ ...options, method: 'POST', headers, agent: false }, resolve)
    sent.on('error', reject)
    sent.end(chatBody('m1', { stream: true }))
    backend.release(1)
  })
  await eventually(() => backend.eventsSent === before + 1)
  let text = ''
  answer.setEncoding('utf8').on('data', (part: string) => (text += part))
  const ended = new Promise<string>((resolve) => {
    answer.on('end', () => resolve(text))
    answer.on('error', () => resolve(`broken: ${text}`))
  })
  return { worker: String(answer.headers['x-request-id']).replace(/-[^-]*$/, ''), ended }
}

/** Asks without a pause on some connections that are kept, until it is stopped. */
function keepAsking(connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  let stopped = false
  const outcomes: (number | string)[] = []
  const one = () =>
    new Promise<void>((resolve) => {
      const options = { port: proxy.port, host: '127.0.0.1', path: '/v1/models', agent }
      const sent = httpGet(options, (answer) => {
        answer.resume()
        answer.on('end', () => resolve(void outcomes.push(answer.statusCode ?? 0)))
        answer.on('error', (error) => resolve(void outcomes.push(error.message)))
      })
      sent.on('error', (error) => resolve(void outcomes.push(error.message)))
    })
  const run = async () => {
    while (!stopped) await one()
  }
  const running = Promise.all(Array.from({ length: connections }, run))
  return {
    count: () => outcomes.length,
    stop: async () => {
      stopped = true
      await running
      agent.destroy()
      return outcomes
    },
  }
}

const metric = async (name: string): Promise<number> => {
  const { text } = await proxy.get('/metrics')
  const lines = text.split('\n').filter((line) => new RegExp(`^${name}(\\{| )`).test(line))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe('a proxy with two workers', () => {
  it('spreads connections evenly, and is one member of the fleet', async () => {
    const records = new Set<string>()
    proxy.bus.onUsage(({ text }) => {
      for (const { id } of decodeRecords(text).records) records.add(id)
      return Promise.resolve()
    })
    const counts = new Map<string, number>()
    for (let turn = 0; turn < 40; turn++) {
      const { status, worker } = await proxy.chat('m1')
      expect(status).toBe(200)
      counts.set(worker, (counts.get(worker) ?? 0) + 1)
    }
    expect(counts.size).toBe(2)
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(15)
    // Each request leaves one record, whoever served it.
    await eventually(() => records.size === 40)
    await eventually(() => proxy.heartbeat()?.state === 'live')
    expect(proxy.heartbeat()).toMatchObject({ id: 'p1', received: 1, active: 1 })
  })

  it('serves a change in every worker before it acks it', async () => {
    for (let revision = 2; revision < 12; revision++) {
      await proxy.apply('b1', specOf({ weight: revision }))
      const asked = new Set<string>()
      while (asked.size < 2) {
        const answer = await proxy.get('/health')
        asked.add(answer.worker)
        expect(answer.revision).toBe(String(revision))
      }
    }
  })

  it('tells every worker what probes see, and the fleet what a worker refuses', async () => {
    const seen = { health: 'down', sinceMs: 1, checkedAtMs: 1, latencyMs: null, error: 'gone' }
    const status = { backend: 'b1', ...seen, models: null, revision: 1, observer: 'o' } as const
    proxy.bus.sendStatus({ observer: 'o', statuses: [status] } as StatusTable)
    await eventually(async () => (await metric('backend_health_status')) === 0)
    const asked = new Map<string, number>()
    while (asked.size < 2) {
      const answer = await proxy.chat('m1')
      asked.set(answer.worker, answer.status)
    }
    expect([...asked.values()]).toEqual([503, 503])
    const credential = { sealed: 'of another key', fingerprint: 'f' }
    await proxy.acked(await proxy.publish('b2', specOf({ models: ['m2'] }), { credential }))
    // Told with the ack, not after it.
    expect(proxy.heartbeat()?.nacks).toMatchObject([{ resource: 'backend', id: 'b2', revision: 2 }])
    await proxy.apply('b2', specOf({ models: ['m2'] }))
    expect(proxy.heartbeat()?.nacks).toEqual([])
  })

  it('sums what its workers count, also of one that is gone, and waits for none', async () => {
    await Promise.all(Array.from({ length: 20 }, () => proxy.chat('m1')))
    const counted = () => metric('signalbox_attempts_total')
    expect(await counted()).toBe(20)
    expect(await metric('signalbox_workers')).toBe(2)
    expect(await metric('signalbox_revision_applied')).toBe(1)
    expect(await metric('backend_health_status')).toBe(1)
    const [first = 0] = await proxy.pids()
    // One that has stopped is answered for with what it last said, and takes no connections.
    process.kill(first, 'SIGSTOP')
    const asked = Array.from({ length: 4 }, counted)
    expect(await Promise.any(asked)).toBe(20)
    const seen = Array.from({ length: 4 }, () => proxy.get('/admin/health'))
    const { text } = await Promise.any(seen)
    expect(JSON.parse(text)).toMatchObject({ revision: 1, backends: [{ id: 'b1', inFlight: 0 }] })
    process.kill(first, 'SIGKILL')
    // What it had been given and never took went to the other one.
    expect(await Promise.all(asked)).toEqual([20, 20, 20, 20])
    expect((await Promise.all(seen)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    await eventually(async () => (await metric('signalbox_worker_restarts_total')) === 1)
    await eventually(async () => (await metric('signalbox_workers')) === 2)
    expect(await counted()).toBe(20)
    await proxy.chat('m1')
    expect(await counted()).toBe(21)
  })

  it('stays with what was before a release that is not for it, and sums what becomes of it', async () => {
    const spec = parseSpec('backend', specOf())
    if (!spec.ok) throw new Error('the spec is wrong')
    const at = '2026-01-01T00:00:00.000Z'
    const before = { id: 'b1', version: 1, revision: 1, createdAt: at, updatedAt: at }
    const release = {
      ...{ state: 'open', base: 1, stage: 0, stageAt: at, actor: 'a', guard: {} },
      stages: [{ labels: { canary: 'yes' }, bake: 1 }],
      changes: [{ resource: 'backend', id: 'b1', before: { ...before, spec: spec.value } }],
    }
    await proxy.release('release-2', release)
    await proxy.publish('b1', specOf({ url: 'http://127.0.0.1:1' }))
    await eventually(() => proxy.heartbeat()?.received === 3)
    expect(proxy.heartbeat()?.active).toBe(1)
    const answers: Awaited<ReturnType<typeof proxy.chat>>[] = []
    // Who takes a connection is who has fewer: with few at a time it may be the same one.
    await eventually(async () => {
      const more = Array.from({ length: 8 }, () => proxy.chat('m1'))
      answers.push(...(await Promise.all(more)))
      return new Set(answers.map(({ worker }) => worker)).size === 2
    })
    for (const { status, revision } of answers) expect([status, revision]).toEqual([200, '1'])
    await eventually(() => proxy.heartbeat()?.load?.release?.requests === answers.length)
    expect(proxy.heartbeat()?.load?.release).toMatchObject({
      ...{ release: 'release-2', stage: 0, cohort: false },
      errors: { failed: 0 },
    })
    await proxy.release('release-2', { ...release, state: 'promoted', changes: [] })
    await proxy.acked(4)
    expect((await proxy.chat('m1')).status).toBe(502)
  })

  it('replaces a worker that dies; only its own connections notice', async () => {
    const streams = [await openStream(), await openStream()]
    const [mine, other] = streams
    expect(mine?.worker).not.toBe(other?.worker)
    const traffic = keepAsking(4)
    await eventually(() => traffic.count() > 20)
    const pids = await proxy.pids()
    process.kill(pids[0] ?? 0, 'SIGKILL')
    await eventually(async () => {
      const now = await proxy.pids()
      return now.length === 2 && !now.includes(pids[0] ?? 0)
    })
    const outcomes = await traffic.stop()
    // Those of the four that it had, once each.
    expect(outcomes.filter((outcome) => outcome !== 200).length).toBeLessThanOrEqual(3)
    await proxy.apply('b1', specOf({ weight: 9 }))
    const answers = await Promise.all(Array.from({ length: 6 }, () => proxy.get('/health')))
    expect(answers.map(({ revision }) => revision)).toEqual(Array(6).fill('2'))
    backend.release()
    const texts = await Promise.all(streams.map(({ ended }) => ended))
    expect(texts.filter((text) => text.includes('[DONE]'))).toHaveLength(1)
  })

  it('replaces its workers one by one on SIGHUP and loses no request', async () => {
    const stream = await openStream()
    const traffic = keepAsking(4)
    const before = await proxy.pids()
    proxy.one.child.kill('SIGHUP')
    // The one with the stream waits for it; a worker is never missing.
    await eventually(async () => (await proxy.pids()).some((pid) => !before.includes(pid)))
    expect((await proxy.pids()).length).toBeGreaterThanOrEqual(2)
    backend.release()
    await eventually(async () => !(await proxy.pids()).some((pid) => before.includes(pid)))
    expect(await stream.ended).toContain('[DONE]')
    const outcomes = await traffic.stop()
    expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([])
    expect(await proxy.pids()).toHaveLength(2)
  })

  it('drains all on SIGTERM: readiness first, streams to their end', async () => {
    const streams = [await openStream(), await openStream()]
    proxy.one.child.kill('SIGTERM')
    await eventually(() => proxy.heartbeat()?.state === 'draining')
    await eventually(() =>
      proxy.get('/readyz').then(
        () => false,
        () => true,
      ),
    )
    expect(isRunning(proxy.one)).toBe(true)
    backend.release()
    const texts = await Promise.all(streams.map(({ ended }) => ended))
    expect(texts.every((text) => text.includes('[DONE]'))).toBe(true)
    expect(await proxy.one.exited).toBe(0)
  })

  it('keeps to the limits of a proxy: each worker to its share', async () => {
    await proxy.apply('b1', specOf({ limits: { connections: 4, pending: 0 } }))
    backend.holdEvents()
    const asked = Array.from({ length: 12 }, () => proxy.chat('m1'))
    let refused = 0
    for (const one of asked) void one.then(({ status }) => (refused += Number(status === 503)))
    // Two connections a worker, and every worker got at least one request.
    await eventually(() => refused >= 8)
    expect(backend.connections.open).toBeLessThanOrEqual(4)
    backend.release()
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2)
    expect(new Set(statuses)).toEqual(new Set([200, 503]))
  })

  it('ends at once with all workers on a second signal', async () => {
    const pids = await proxy.pids()
    const stream = await openStream()
    await eventually(() => {
      proxy.one.child.kill('SIGTERM')
      return !isRunning(proxy.one)
    })
    expect(await proxy.one.exited).toBe(1)
    await eventually(() => pids.every((pid) => !isAlive(pid)))
    expect(await stream.ended).toMatch(/^broken: /)
  })

  it('leaves no worker behind when the parent dies', async () => {
    const pids = await proxy.pids()
    expect(pids).toHaveLength(2)
    await end(proxy.one, 'SIGKILL')
    await eventually(() => pids.every((pid) => !isAlive(pid)))
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
