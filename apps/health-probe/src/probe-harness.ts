// What the specs of the probe share: a simulated backend, the in-process bus, a log by hand, a clock
// that stands still, and a probe with all of it. The exported variables are live bindings.
import { createHub, type Hub, type HubBus } from '@signalbox/bus'
import {
  createMetrics,
  type Metrics,
  OPEN_METRICS,
  seal,
  sha256,
  showListen,
  silentLog,
} from '@signalbox/host'
import {
  canonicalJson,
  chainHash,
  DEFAULT_SETTINGS,
  type Event,
  GENESIS_HASH,
  type Head,
  parseSpec,
  type Resource,
  type RevisionBody,
  type Status,
} from '@signalbox/model'
import { credentialOf } from '@signalbox/routing'
import {
  eventually,
  type ManualClock,
  manualClock,
  type MockBackend,
  seededRandom,
  startMockBackend,
} from '@signalbox/testing'
import { type ProbeConfig } from './config.ts'
import { type RunningProbe, startHealthProbe } from './start.ts'
import { type ProbeDeps } from './watches.ts'

export const masterKey = new Uint8Array(32).map((_, i) => i)
export const otherKey = new Uint8Array(32).map((_, i) => i + 1)
/** A 0.5 takes the jitter out of every delay. */
export const noJitter = () => 0.5
const lineage = '00000000-0000-4000-8000-000000000000'
const OBSERVER = 'probe-1'

export let clock: ManualClock
/** The delays that were asked of the clock, in order: when the probe means to look again. */
export let delays: number[]
export let backend: MockBackend
export let probe: RunningProbe
export let metrics: Metrics
/** The probe's own client of the bus, and that of somebody who listens. */
export let hub: Hub
export let bus: HubBus
export let listener: HubBus
/** What was told on the bus: one entry a message. */
export let told: (readonly Status[])[]
let acked: number
let head: Head
const stops: (() => Promise<unknown>)[] = []

export function specOf(input: object) {
  const spec = parseSpec('backend', input)
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  return spec.value
}

export function resourceOf(input: object, id = 'b1', revision = 1): Resource<'backend'> {
  const spec = specOf(input) as Resource<'backend'>['spec']
  return { id, version: 1, revision, spec } as Resource<'backend'>
}

/** A backend, its own credential and the standard network, as a checker takes them. */
export const ownOf = (backend: Resource<'backend'>) => {
  const { network } = DEFAULT_SETTINGS
  return { backend, network, credential: credentialOf(backend, { secrets: new Map() }) }
}

export const sealedFor = (id: string, secret: string, key = masterKey) => ({
  sealed: seal(secret, key, `default/backend/${id}`),
  fingerprint: 'f',
})

/** Commits one change of one resource (null: removed), and waits until a running probe has it. */
export async function apply(
  id: string,
  input: object | null,
  resource: 'backend' | 'secret' | 'settings' = 'backend',
): Promise<number> {
  const spec = input && parseSpec(resource, input)
  if (spec && !spec.ok) throw new Error(JSON.stringify(spec.error))
  const revision = head.revision + 1
  const event: Event = {
    position: revision,
    type: `${resource}.${input === null ? 'deleted' : 'created'}`,
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
  await listener.openStream({ lineage, epoch: 1 })
  await listener.publishRevision(message)
  head = { lineage, epoch: 1, revision, hash: message.hash }
  listener.publishBeacon(head)
  if (probe) await eventually(() => acked === revision)
  return revision
}

export async function start(
  deps: Partial<ProbeDeps> = {},
  config: Partial<ProbeConfig> = {},
): Promise<RunningProbe> {
  const full: ProbeConfig = {
    id: OBSERVER,
    fleet: 'default',
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    masterKey,
    metricsAccess: OPEN_METRICS,
    observers: 3,
    ...config,
  }
  const watched: ManualClock = {
    ...clock,
    after: (ms, run) => {
      delays.push(ms)
      return clock.after(ms, run)
    },
  }
  const random = noJitter
  const standard = { bus, clock: watched, random, log: silentLog, metrics }
  probe = await startHealthProbe(full, { ...standard, ...deps })
  const running = probe
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= running.stop())
  stops.push(stop)
  probe = { ...running, stop }
  listener.publishBeacon(head)
  await eventually(() => acked === head.revision)
  return probe
}

/** What the probe sees of this backend now. */
export const seen = (id = 'b1') => probe.statuses().find((status) => status.backend === id)

/** Waits until these backends have been looked at, at this time, and the bus is quiet again. */
export async function looked(...ids: readonly string[]): Promise<void> {
  const wanted = ids.length > 0 ? ids : ['b1']
  await eventually(() => wanted.every((id) => seen(id)?.checkedAtMs === clock.nowMs()))
  await settled()
}

/** Moves time on by as much as is needed for the next look, and waits for what it finds. */
export async function look(delayMs: number): Promise<Status | undefined> {
  clock.advance(delayMs)
  await looked()
  return seen()
}

/** Resolves when all that was sent before has been heard. */
export async function settled(): Promise<void> {
  await listener.latestManifest()
  await listener.latestManifest()
}

export const get = (path: string) => fetch(`http://${showListen(probe.address)}${path}`)

export const another = async (options?: Parameters<typeof startMockBackend>[0]) => {
  const made = await startMockBackend(options)
  stops.push(() => made.stop())
  return made
}

export function useProbe(): void {
  beforeEach(async () => {
    clock = manualClock()
    delays = []
    told = []
    acked = 0
    metrics = createMetrics()
    head = { lineage, epoch: 1, revision: 0, hash: GENESIS_HASH }
    hub = createHub({ clock })
    bus = hub.connect()
    listener = hub.connect()
    // Empty ones say that the probe is there (peers.spec.ts).
    listener.onStatus(({ statuses }) => statuses.length > 0 && told.push(statuses))
    listener.onHeartbeat(({ active }) => (acked = active))
    backend = await another({ models: ['m1'] })
  })
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
    await Promise.all([bus.close(), listener.close()])
    probe = undefined as unknown as RunningProbe
  })
}

export { seededRandom }
