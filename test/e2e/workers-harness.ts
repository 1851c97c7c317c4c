// One proxy with several workers, as a process of its own on a bus that the test holds.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHub, type HubBus, ipcPort, serveBridge } from '@signalbox/bus'
import { systemClock } from '@signalbox/host'
import {
  canonicalJson,
  chainHash,
  EVENT_SCHEMA,
  type Event,
  GENESIS_HASH,
  type Head,
  type Heartbeat,
  parseSpec,
  type RevisionBody,
} from '@signalbox/model'
import { eventually, freePort } from '@signalbox/testing'
import { MASTER_KEY } from './fleet-harness.ts'
import { type Started, startProcess, untilUp } from './processes-harness.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const LINEAGE = '00000000-0000-4000-8000-000000000000'
const ID = 'p1'
const WORKERS = 2
/** Nothing may take longer, whatever is broken. */
const ANSWER_MS_MAX = 30_000

export interface Answer {
  readonly status: number
  /** Stands for the worker that answered. */
  readonly worker: string
  readonly text: string
  readonly revision: string
}

export interface WorkersProxy {
  readonly one: Started
  readonly port: number
  /** What the fleet was told last. */
  heartbeat(): Heartbeat | undefined
  /** The test's own end of the bus. */
  readonly bus: HubBus
  /** Publishes a backend; does not wait. Answers its revision. `raw` is taken as it is. */
  publish(id: string, spec: object, raw?: object): Promise<number>
  /** The same of a release. */
  release(id: string, spec: object): Promise<number>
  /** Waits for the ack, and publishes the backend before. */
  apply(id: string, spec: object): Promise<void>
  acked(revision: number): Promise<void>
  /** On a connection of its own. */
  get(path: string): Promise<Answer>
  chat(model: string): Promise<Answer>
  /** Ids of the workers that take connections. */
  pids(): Promise<readonly number[]>
  remove(): void
}

export async function startWorkersProxy(
  env: Readonly<Record<string, string>> = {},
): Promise<WorkersProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-workers-'))
  const hub = createHub({ clock: systemClock })
  const bus = hub.connect()
  let last: Heartbeat | undefined
  let beacon: Head = { lineage: LINEAGE, epoch: 1, revision: 0, hash: GENESIS_HASH }
  bus.onHeartbeat((heartbeat) => (last = heartbeat))
  await bus.openStream({ lineage: LINEAGE, epoch: 1 })
  const port = await freePort()
  const one = startProcess('proxy', {
    ipc: true,
    env: {
      SIGNALBOX_WORKERS: String(WORKERS),
      SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${port}`,
      SIGNALBOX_PROXY_ID: ID,
      SIGNALBOX_DATA_DIR: folder,
      SIGNALBOX_MASTER_KEY: MASTER_KEY,
      SIGNALBOX_LOG: 'warn',
      SIGNALBOX_DRAIN_NOTICE: '0s',
      SIGNALBOX_DRAIN_DEADLINE: '20s',
      ...env,
    },
  })
  serveBridge(hub, ipcPort(one.child))
  const get = (path: string) => ask(port, path)
  const pids = async () => {
    const { detail } = JSON.parse((await get('/readyz')).text) as {
      detail: { workers: { pids: number[] } }
    }
    return detail.workers.pids
  }
  await untilUp(one, async () => (await pids()).length === WORKERS)
  bus.publishBeacon(beacon)

  const acked = async (revision: number) => {
    await eventually(() => last?.active === revision)
  }
  const commit = async (change: Change) => {
    const message = await publishOn(bus, beacon, change)
    beacon = { lineage: LINEAGE, epoch: 1, revision: message.revision, hash: message.hash }
    bus.publishBeacon(beacon)
    return message.revision
  }
  const publish = (id: string, spec: object, raw = {}) =>
    commit({ resource: 'backend', id, spec, raw })
  return {
    release: (id, spec) => commit({ resource: 'release', id, spec, raw: {} }),
    ...{ one, port, bus, get, publish, acked, pids },
    heartbeat: () => last,
    apply: async (id, spec) => acked(await publish(id, spec)),
    chat: (model) => ask(port, '/v1/chat/completions', chatBody(model)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export function chatBody(model: string, more: object = {}): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }], ...more })
}

interface Change {
  readonly resource: 'backend' | 'release'
  readonly id: string
  readonly spec: object
  readonly raw: object
}

async function publishOn(bus: HubBus, head: Head, change: Change) {
  const { resource, id } = change
  const spec = parseSpec(resource, change.spec)
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  const revision = head.revision + 1
  const event: Event = {
    ...{ position: revision, type: `${resource}.created`, resource, id },
    ...{ version: revision, schema: EVENT_SCHEMA, spec: { ...spec.value, ...change.raw } },
  }
  const body: RevisionBody = {
    ...{ v: 1, fleet: 'default', lineage: LINEAGE, epoch: 1, revision },
    ...{ at: '2026-01-01T00:00:00.000Z', actor: 'a', role: 'admin', source: 'api', reason: null },
    ...{ requestId: 'r', changeRef: null, address: null, events: [event] },
  }
  const link = { previousHash: head.hash, epoch: 1, revision, body: canonicalJson(body) }
  const message = { lineage: LINEAGE, ...link, hash: chainHash(link, sha256) }
  await bus.publishRevision(message)
  return message
}

/** One request on a connection of its own; with a body a POST. */
function ask(port: number, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path, agent: false, timeout: ANSWER_MS_MAX }
    const headers = { 'content-type': 'application/json' }
    const method = body === undefined ? 'GET' : 'POST'
    const sent = request({ ...options, method, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve(answerOf(answer, text)))
      answer.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.on('error', reject)
    sent.end(body)
  })
}

function answerOf({ statusCode = 0, headers }: IncomingMessage, text: string): Answer {
  const worker = String(headers['x-request-id'] ?? '').replace(/-[^-]*$/, '')
  return { status: statusCode, worker, text, revision: String(headers['x-signalbox-revision']) }
}
