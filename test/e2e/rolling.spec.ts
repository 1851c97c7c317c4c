// Every part of a fleet is restarted, one after the other, under load: no client notices. Behind
// HAProxy, as in production; proxies drain, the rest is not in the way of a request at all.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  eventually,
  findNatsServer,
  freePort,
  type MockBackend,
  startMockBackend,
} from '@signalbox/testing'
import { createFleet, NO_NATS, type ProcessFleet } from './fleet-harness.ts'
import { type NatsCluster, startNatsCluster } from './nats-cluster-harness.ts'
import { type OwnPostgres, startOwnPostgres } from './postgres-harness.ts'
import { end, endProcesses, type Started } from './processes-harness.ts'

const EACH_MS = 300_000
const CLIENTS = 4
/** Every so many requests of a client one is a stream. */
const STREAM_EVERY = 2

let postgres: OwnPostgres
let nats: NatsCluster
let backends: readonly MockBackend[]
let fleet: ProcessFleet
let haproxy: ChildProcess
let folder: string
let entry: string
let table: string

const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0
const SKIPPED =
  findNatsServer() === undefined
    ? NO_NATS
    : hasHaproxy
      ? undefined
      : 'rolling restart: skipped, haproxy is not on PATH (apt-get install haproxy)'

/** As deploy/haproxy.cfg, with shorter checks and these addresses. */
function configOf(
  ports: { readonly clients: number; readonly stats: number },
  addresses: readonly string[],
): string {
  return `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  option redispatch
  retries 2
  retry-on conn-failure
frontend clients
  bind 127.0.0.1:${ports.clients}
  default_backend proxies
backend proxies
  balance roundrobin
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr host signalbox
  http-check expect status 200
  default-server check inter 100ms fall 2 rise 1
${addresses.map((address, n) => `  server proxy-${n} ${address}`).join('\n')}
frontend stats
  bind 127.0.0.1:${ports.stats}
  stats enable
  stats uri /
`
}

async function startHaproxy(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-haproxy-'))
  const [clients, stats] = [await freePort(), await freePort()]
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, configOf({ clients, stats }, [fleet.address(0), fleet.address(1)]))
  haproxy = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' })
  entry = `http://127.0.0.1:${clients}`
  table = `http://127.0.0.1:${stats}/;csv`
  await eventually(async () => (await chat({})).status === 200)
}

/** Whether HAProxy sends requests to both: the next proxy goes only after that. */
async function isWhole(): Promise<boolean> {
  const lines = (await (await fetch(table)).text()).split('\n')
  return lines.filter((line) => /^proxies,proxy-\d,.*,UP,/.test(line)).length === 2
}

const chat = (more: object) =>
  fetch(`${entry}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm1', messages: [{ role: 'user', content: 'Hello' }], ...more }),
  })

/** Clients without retries; answers all that was not a whole answer, and how many were. */
function load() {
  let stopped = false
  const failed: string[] = []
  let whole = 0
  const client = async () => {
    for (let turn = 0; !stopped; turn++) {
      const stream = turn % STREAM_EVERY === 0
      try {
        const answer = await chat({ stream })
        const text = await answer.text()
        const ended = stream ? text.endsWith('data: [DONE]\n\n') : text.endsWith('}')
        if (answer.status === 200 && ended) whole++
        else failed.push(`${answer.status} ${text.slice(0, 200)}`)
      } catch (error) {
        failed.push(String((error as Error).cause ?? error))
      }
    }
  }
  const running = Promise.all(Array.from({ length: CLIENTS }, client))
  return {
    whole: () => whole,
    stop: async () => {
      stopped = true
      await running
      return failed
    },
  }
}

async function startEverything() {
  ;[postgres, nats] = await Promise.all([startOwnPostgres(), startNatsCluster()])
  backends = await Promise.all([1, 2].map(() => startMockBackend({ models: ['m1'] })))
  fleet = await createFleet({
    natsUrl: nats.url,
    databaseUrl: postgres.url,
    env: {
      SIGNALBOX_NATS_REPLICAS: '3',
      // Longer than HAProxy takes to notice.
      SIGNALBOX_DRAIN_NOTICE: '1s',
      SIGNALBOX_DRAIN_DEADLINE: '10s',
    },
  })
}

async function endEverything() {
  for (const backend of backends ?? []) backend.release()
  haproxy?.kill('SIGKILL')
  await endProcesses()
  for (const backend of backends ?? []) await backend.stop()
  await nats?.stop()
  await postgres?.stop()
  fleet?.remove()
  if (folder) rmSync(folder, { recursive: true, force: true })
}

function describeRolling() {
  beforeAll(startEverything, EACH_MS)
  afterAll(endEverything, EACH_MS)

  it(
    'every part is restarted, one by one: no request fails, and no stream is cut',
    async () => {
      const all = await fleet.startAll()
      let { admin, probe } = all
      const proxies: Started[] = [...all.proxies]
      for (const [n, { url }] of backends.entries()) {
        const health = { intervalMs: 200 }
        const spec = { kind: 'openai-compatible', url, models: ['m1'], health }
        await fleet.call('POST', 'backends', { id: `b${n}`, spec })
      }
      await fleet.applied(2)
      await startHaproxy()
      const traffic = load()
      /** What was asked before a restart is answered, and more is after it. */
      const goesOn = async () => {
        const before = traffic.whole()
        await eventually(() => traffic.whole() >= before + 2 * CLIENTS)
      }
      const parts: readonly (readonly [string, () => Promise<unknown>])[] = [
        ...nats.servers.map((server, n) => [`nats-${n}`, () => server.restart()] as const),
        ['probe', async () => (await end(probe, 'SIGTERM'), (probe = await fleet.startProbe()))],
        ['admin', async () => (await end(admin, 'SIGTERM'), (admin = await fleet.startAdmin()))],
        ['postgres', async () => (await postgres.kill(), await postgres.restart())],
        ...[0, 1].map(
          (index) =>
            [
              `proxy-${index}`,
              async () => {
                const one = proxies[index]
                if (one) await end(one, 'SIGTERM')
                proxies[index] = await fleet.startProxy(index)
                await eventually(async () => (await fleet.get(index, '/readyz')).status === 200)
                await eventually(isWhole)
              },
            ] as const,
        ),
      ]
      for (const [, restart] of parts) {
        await restart()
        await goesOn()
      }
      expect(await traffic.stop()).toEqual([])
      expect(traffic.whole()).toBeGreaterThan(parts.length * CLIENTS)
      // And the fleet still follows.
      await eventually(
        async () =>
          (await fleet.call('PATCH', 'backends/b0', { spec: { weight: 2 } })).status === 200,
      )
      await fleet.applied(3)
    },
    EACH_MS,
  )
}

if (SKIPPED !== undefined) it.skip(SKIPPED, () => {})
else describe('a rolling restart', describeRolling)
