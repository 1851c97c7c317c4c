// The admin API over real HTTP, on a real Postgres and the in-process bus.
import { createHub, type Hub, type HubBus } from '@signalbox/bus'
import {
  createMetrics,
  type Log,
  type MasterKeys,
  OPEN_METRICS,
  silentLog,
  systemClock,
} from '@signalbox/host'
import { type Heartbeat } from '@signalbox/model'
import { openStore, type Store } from '@signalbox/store'
import { freshDatabase } from '@signalbox/testing'
import { type RunningAdminApi, startAdminApi } from './start.ts'

export const TOKENS = {
  admin: 'admin-token-0123456789',
  operator: 'operator-token-0123456789',
  viewer: 'viewer-token-0123456789',
}
export const MASTER_KEY = new Uint8Array(32).map((_, i) => i)

export interface Call {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly token?: string
}

export interface Called {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- many shapes, compared in tests
  readonly json: any
}

export interface Api {
  readonly store: Store
  readonly hub: Hub
  readonly bus: HubBus
  readonly api: RunningAdminApi
  readonly base: string
  /** Every line that was logged, as JSON. */
  readonly logged: readonly string[]
  /** A path without a leading slash is below /admin/v1. */
  call(method: string, path: string, options?: Call): Promise<Called>
  add(id: string, more?: object, options?: Call): Promise<Called>
  /** Another instance on the same log, with other master keys; `end` ends it as well. */
  again(keys: MasterKeys): Promise<Pick<Api, 'call'> & { stop(): Promise<void> }>
  heartbeat(active: number, more?: Partial<Heartbeat>): Promise<Heartbeat>
  end(): Promise<void>
}

export const SPEC = { kind: 'vllm', url: 'http://127.0.0.1:8000', models: ['m1'] }

/** `through` may stand between the store and its database. */
export async function startApi(
  through = (url: string) => Promise.resolve(url),
  clock = systemClock,
): Promise<Api> {
  const database = await freshDatabase()
  const logged: string[] = []
  const others: RunningAdminApi[] = []
  const log = recorder(logged)
  const shared = { clock, random: Math.random, log }
  const url = await through(database.url)
  const store = await openStore({ url, fleet: 'default', ...shared })
  const hub = createHub({ clock: systemClock })
  const bus = hub.connect()
  const config = {
    fleet: 'default',
    tokens: TOKENS,
    masterKey: MASTER_KEY,
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    metricsAccess: OPEN_METRICS,
    usageRetentionDays: 30,
  } as const
  const api = await startAdminApi(config, { store, bus, metrics: createMetrics(), ...shared })
  const base = api.address.kind === 'tcp' ? `http://127.0.0.1:${api.address.port}` : ''
  const call = (method: string, path: string, options: Call = {}) =>
    send(method, `${base}${path.startsWith('/') ? path : `/admin/v1/${path}`}`, options)
  return {
    ...{ store, hub, bus, api, base, logged, call },
    add: (id, more = {}, options = {}) =>
      call('POST', 'backends', { body: { id, spec: { ...SPEC, ...more } }, ...options }),
    heartbeat: async (active, more = {}) => {
      const { lineage } = await store.head()
      return heartbeatOf(active, { lineage, ...more })
    },
    again: async (keys) => {
      const deps = { store, bus, metrics: createMetrics(), ...shared }
      const other = await startAdminApi({ ...config, ...keys }, deps)
      others.push(other)
      const at = other.address.kind === 'tcp' ? `http://127.0.0.1:${other.address.port}` : ''
      return {
        stop: () => other.stop(),
        call: (method, path, options = {}) => send(method, `${at}/admin/v1/${path}`, options),
      }
    },
    end: async () => {
      for (const other of others) await other.stop()
      await api.stop()
      await bus.close()
      await store.close()
      await database.drop()
    },
  }
}

async function send(method: string, url: string, options: Call): Promise<Called> {
  const { body, headers = {}, token = TOKENS.admin } = options
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isJson = /[/+]json/.test(answer.headers.get('content-type') ?? '') && text !== ''
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    json: isJson ? JSON.parse(text) : null,
  }
}

function recorder(lines: string[]): Log {
  const note = (fields: object, message: string) => {
    lines.push(JSON.stringify({ ...fields, message }))
  }
  return { ...silentLog, info: note, warn: note, error: note }
}

export function heartbeatOf(active: number, more: Partial<Heartbeat> = {}): Heartbeat {
  return {
    id: 'p1',
    role: 'proxy',
    labels: {},
    version: 't',
    lineage: 'l',
    epoch: 1,
    received: active,
    active,
    state: 'live',
    nacks: [],
    load: null,
    sentAtMs: active,
    ...more,
  }
}
