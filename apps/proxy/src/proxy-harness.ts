// What the specs of the proxy share: a simulated backend, the in-process bus, a log by hand, and a
// proxy with all of it for each test. The exported variables are live bindings.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHub, type Hub, type HubBus } from '@signalbox/bus'
import { createMetrics, OPEN_METRICS, silentLog, systemClock } from '@signalbox/host'
import {
  canonicalJson,
  chainHash,
  type Event,
  GENESIS_HASH,
  type Head,
  parseSpec,
  type ResourceName,
  type RevisionBody,
} from '@signalbox/model'
import { eventually, type MockBackend, startMockBackend } from '@signalbox/testing'
import { createHash } from 'node:crypto'
import { type ProxyConfig } from './config.ts'
import { type ProxyDeps, type RunningProxy, startProxy } from './start.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
export const masterKey = new Uint8Array(32).map((_, i) => i)
const lineage = '00000000-0000-4000-8000-000000000000'
export let folder: string
export let hub: Hub
/** The proxy's own. */
export let bus: HubBus
let head: Head
export let proxy: RunningProxy
export let base: string
export let backend: MockBackend
const stops: (() => Promise<unknown>)[] = []

export async function apply(resource: ResourceName, id: string, input: unknown): Promise<void> {
  const spec = input === null ? null : parseSpec(resource, quiet(resource, input))
  if (spec && !spec.ok) throw new Error(JSON.stringify(spec.error))
  const op = spec === null ? 'deleted' : 'created'
  const revision = head.revision + 1
  const event: Event = {
    position: revision,
    type: `${resource}.${op}`,
    resource,
    id,
    version: revision,
    schema: 1,
    spec: spec?.value ?? null,
  }
  const body: RevisionBody = {
    v: 1,
    fleet: 'default',
    lineage,
    epoch: 1,
    revision,
    at: '2026-01-01T00:00:00.000Z',
    actor: 'a',
    role: 'admin',
    source: 'api',
    reason: null,
    requestId: 'r',
    changeRef: null,
    address: null,
    events: [event],
  }
  const link = { previousHash: head.hash, epoch: 1, revision, body: canonicalJson(body) }
  const message = { lineage, ...link, hash: chainHash(link, sha256) }
  const publisher = hub.connect()
  await publisher.openStream({ lineage, epoch: 1 })
  await publisher.publishRevision(message)
  head = { lineage, epoch: 1, revision, hash: message.hash }
  publisher.publishBeacon(head)
  await publisher.close()
  await eventually(() => proxy.configuration.following.state().active === revision)
}

/** Backends that are asked for nothing but what a test asks; proxy-prewarm.spec.ts says otherwise. */
function quiet(resource: ResourceName, input: unknown): unknown {
  return resource === 'backend' ? { prewarm: false, ...(input as object) } : input
}

export async function start(
  more: Partial<ProxyConfig> = {},
  deps: Partial<ProxyDeps> = {},
): Promise<RunningProxy> {
  bus = hub.connect()
  const own = bus
  const config: ProxyConfig = {
    id: 'p1',
    labels: {},
    fleet: 'default',
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    dataDir: folder,
    masterKey,
    bodyBytesMax: 100_000,
    uploadBytesMax: 1_000_000,
    usageBytesMax: 1_000_000,
    cacheBytesMax: 10_000_000,
    redisUrl: null,
    redisAnswerMs: 5_000,
    lagMsMax: null,
    memoryBytesMax: null,
    drainNoticeMs: 0,
    drainDeadlineMs: 5_000,
    metricsAccess: OPEN_METRICS,
    tracing: null,
    ...more,
  }
  proxy = await startProxy(config, {
    bus,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    metrics: createMetrics(),
    ...deps,
  })
  const running = proxy
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= running.stop().then(() => own.close()))
  stops.push(stop)
  proxy = { ...running, stop }
  const [address] = proxy.addresses
  base = address?.kind === 'tcp' ? `http://127.0.0.1:${address.port}` : ''
  return proxy
}

export const chat = (body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
export const hello = { model: 'm1', messages: [{ role: 'user', content: 'Hello' }] }
export const codeOf = async (answer: Response) =>
  ((await answer.json()) as { error: { code: string } }).error.code

/** Sends bytes as they are and answers everything that comes back until the end. */
export function raw(text: string): Promise<string> {
  const { port } = new URL(base)
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
    let got = ''
    socket.setEncoding('utf8').on('data', (part) => (got += part))
    socket.on('close', () => resolve(got))
    socket.on('error', () => {})
  })
}

/** Another bus, which knows of nothing. */
export function newHub(): void {
  hub = createHub({ clock: systemClock })
}

/** What useProxy() gives each test, for who is no test. */
export async function openProxy(deps: Partial<ProxyDeps> = {}): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-proxy-'))
  hub = createHub({ clock: systemClock })
  head = { lineage, epoch: 1, revision: 0, hash: GENESIS_HASH }
  backend = await startMockBackend({ models: ['m1'] })
  stops.push(() => backend.stop())
  await start({}, deps)
  await apply('backend', 'b1', { kind: 'openai-compatible', url: backend.url, models: ['m1'] })
}

export async function closeProxy(): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop()
  rmSync(folder, { recursive: true, force: true })
}

export function useProxy(): void {
  beforeEach(() => openProxy())
  afterEach(closeProxy)
}
