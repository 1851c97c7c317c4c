// The three paths that every process answers, over a real socket.
import { createServer, type Server } from 'node:http'
import { listen } from './listen.ts'
import { Counter, createMetrics, Gauge } from './metrics.ts'
import { answerOps, OPEN_METRICS, type Ops, type Readiness } from './ops.ts'

const READY: Readiness = { ready: true, reasons: [] }
let server: Server
let base: string
let readiness: Readiness
let metricsAccess: Ops['metricsAccess']
let metrics: Ops['metrics']

beforeEach(async () => {
  readiness = READY
  metricsAccess = OPEN_METRICS
  metrics = createMetrics()
  new Counter({ name: 'signalbox_test_total', help: 'test', registers: [metrics] }).inc()
  server = createServer((request, response) => {
    const ops = { readiness: () => readiness, metrics, metricsAccess }
    if (!answerOps(request, response, ops)) response.writeHead(418).end('not ops')
  })
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
  const taken = await listen(server, address, 'SIGNALBOX_LISTEN')
  base = taken.kind === 'tcp' ? `http://127.0.0.1:${taken.port}` : ''
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${base}${path}`, { headers })
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

describe('GET /healthz', () => {
  it('answers 200 while the process runs, ready or not', async () => {
    readiness = { ready: false, reasons: ['draining'] }
    const answer = await get('/healthz')
    expect([answer.status, await answer.json()]).toEqual([200, { alive: true }])
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  })
})

describe('GET /readyz', () => {
  it('answers 200 where the process can do its job', async () => {
    readiness = { ...READY, detail: { revision: 7 } }
    const answer = await get('/readyz?verbose')
    expect([answer.status, await answer.json()]).toEqual([200, readiness])
  })

  it('answers 503 and the reasons where it cannot', async () => {
    readiness = { ready: false, reasons: ['no configuration yet', 'draining'] }
    const answer = await get('/readyz')
    expect([answer.status, await answer.json()]).toEqual([503, readiness])
  })

  it('is asked anew each time', async () => {
    expect((await get('/readyz')).status).toBe(200)
    readiness = { ready: false, reasons: ['draining'] }
    expect((await get('/readyz')).status).toBe(503)
  })
})

describe('GET /metrics', () => {
  it('answers in the format of Prometheus', async () => {
    const answer = await get('/metrics')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await answer.text()).toMatch(/^signalbox_test_total 1$/m)
  })

  it('answers 404 where metrics are off, whatever the credentials', async () => {
    metricsAccess = { enabled: false, credentials: { username: 'u', password: 'p' } }
    const answer = await get('/metrics', basic('u:p'))
    expect(answer.status).toBe(404)
    expect(await answer.text()).not.toContain('signalbox_test_total')
  })

  it('answers 500 and no half table where a metric cannot be collected', async () => {
    const collect = () => {
      throw new Error('secret detail')
    }
    new Gauge({ name: 'signalbox_bad', help: 'bad', registers: [metrics], collect })
    const answer = await get('/metrics')
    expect(answer.status).toBe(500)
    expect(await answer.json()).toEqual({ error: 'metrics could not be collected' })
  })
})

describe('GET /metrics with credentials', () => {
  beforeEach(() => {
    metricsAccess = { enabled: true, credentials: { username: 'prom', password: 'pä:ss' } }
  })

  it('answers who knows them', async () => {
    expect((await get('/metrics', basic('prom:pä:ss'))).status).toBe(200)
  })

  it('takes the name of the scheme in any case', async () => {
    const { authorization } = basic('prom:pä:ss')
    const lower = authorization.replace('Basic', 'basic')
    expect((await get('/metrics', { authorization: lower })).status).toBe(200)
  })

  it.each<[string, Record<string, string>]>([
    ['none', {}],
    ['another password', basic('prom:pass')],
    ['another name', basic('prom2:pä:ss')],
    ['a name alone', basic('prom')],
    ['nothing', basic('')],
    ['them in clear', { authorization: 'Basic prom:pass' }],
    ['another scheme', { authorization: 'Bearer cHJvbTpww6Q6c3M=' }],
    ['more after them', { authorization: `${basic('prom:pä:ss').authorization} x` }],
  ])('answers 401 and nothing else to %s', async (_, headers) => {
    const answer = await get('/metrics', headers)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Basic realm="signalbox metrics"')
    expect(await answer.json()).toEqual({ error: 'metrics need basic authentication' })
  })

  it('asks for none on the other paths', async () => {
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(200)
  })
})

describe('answerOps', () => {
  it('answers HEAD as GET, without a body', async () => {
    readiness = { ready: false, reasons: ['draining'] }
    for (const [path, status] of [
      ['/healthz', 200],
      ['/readyz', 503],
      ['/metrics', 200],
    ] as const) {
      const answer = await fetch(`${base}${path}`, { method: 'HEAD' })
      expect([answer.status, await answer.text()]).toEqual([status, ''])
    }
  })

  it.each(['/', '/health', '/healthz/', '/healthzz', '/v1/models', '/metrics/x'])(
    'leaves %s to others',
    async (path) => expect((await get(path)).status).toBe(418),
  )

  it('leaves other methods to others', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await fetch(`${base}/healthz`, { method })).status).toBe(418)
    }
  })
})
