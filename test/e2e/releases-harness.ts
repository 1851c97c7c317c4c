// A fleet in one process, for releases: two instances of the admin API on one log, and three
// proxies with sockets of their own on one bus.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningAdminApi, startAdminApi } from '@signalbox/admin-api'
import { createHub, type HubBus } from '@signalbox/bus'
import { createMetrics, OPEN_METRICS, silentLog, systemClock } from '@signalbox/host'
import { readProxyConfig, type RunningProxy, startProxy } from '@signalbox/proxy'
import { openStore } from '@signalbox/store'
import { eventually, freshDatabase } from '@signalbox/testing'

export const PROXIES = ['proxy-1', 'proxy-2', 'proxy-3']
const TOKEN = 'admin-token-0123456789'
const masterKey = new Uint8Array(32).map((_, i) => i)
const listen = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
const common = { clock: systemClock, random: Math.random, log: silentLog }

export interface Asked {
  readonly status: number
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- many shapes, compared in tests
  readonly json: any
}

/** A chat as it was answered, by which revision. */
export interface Chatted {
  readonly proxy: string
  readonly status: number
  readonly revision: number
}

export interface Fleet {
  call(method: string, path: string, body?: unknown, token?: string): Promise<Asked>
  /** The second instance of the admin API. */
  callOther(method: string, path: string, body?: unknown): Promise<Asked>
  endAdmin(): Promise<void>
  startAdmin(): Promise<void>
  startProxy(id: string): Promise<void>
  stopProxy(id: string): Promise<void>
  chat(id: string, model: string, headers?: Record<string, string>): Promise<Chatted>
  /** What each of these proxies has, by its own word to the fleet. */
  active(): Promise<Readonly<Record<string, number>>>
  state(id: string): { readonly received: number; readonly active: number } | undefined
  end(): Promise<void>
}

interface Part {
  readonly proxy: RunningProxy
  readonly bus: HubBus
  readonly url: string
}

export async function startFleet(): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-release-'))
  const database = await freshDatabase()
  const hub = createHub({ clock: systemClock })
  const admins = [await startAdmin(), await startAdmin()]
  const proxies = new Map<string, Part>()

  async function startAdmin() {
    const bus = hub.connect()
    const store = await openStore({ url: database.url, fleet: 'default', ...common })
    const config = {
      ...{ fleet: 'default', masterKey, listen, usageRetentionDays: 30 },
      tokens: {
        admin: TOKEN,
        operator: 'operator-token-0123456',
        viewer: 'viewer-token-012345678',
      },
      metricsAccess: OPEN_METRICS,
    }
    const api = await startAdminApi(config, { store, bus, metrics: createMetrics(), ...common })
    const stop = async () => {
      await api.stop()
      await bus.close()
      await store.close()
    }
    return { url: urlOf(api.address), stop }
  }
  const callAt =
    (index: number) =>
    async (method: string, path: string, body?: unknown, token = TOKEN) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const init =
        body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
      const answer = await fetch(`${admins[index]?.url}/admin/v1/${path}`, init)
      const text = await answer.text()
      return { status: answer.status, json: text === '' ? null : JSON.parse(text) }
    }
  const start = async (id: string) => {
    const bus = hub.connect()
    const config = readProxyConfig({
      SIGNALBOX_PROXY_ID: id,
      SIGNALBOX_PROXY_LISTEN: '127.0.0.1:0',
      SIGNALBOX_PROXY_LABELS: id === 'proxy-3' ? 'canary=yes' : 'canary=no',
      SIGNALBOX_DATA_DIR: join(folder, id),
      SIGNALBOX_MASTER_KEY: Buffer.from(masterKey).toString('base64'),
      SIGNALBOX_DRAIN_NOTICE: '0s',
    })
    const proxy = await startProxy(config, { bus, metrics: createMetrics(), ...common })
    proxies.set(id, { proxy, bus, url: urlOf(proxy.addresses[0]) })
  }
  const stop = async (id: string) => {
    const part = proxies.get(id)
    proxies.delete(id)
    await part?.proxy.stop()
    await part?.bus.close()
  }
  await Promise.all(PROXIES.map(start))
  const call = callAt(0)
  const members = async () => (await call('GET', 'fleet')).json.members
  await eventually(async () => (await members()).length === PROXIES.length)
  return {
    call,
    callOther: callAt(1),
    endAdmin: async () => admins.shift()?.stop(),
    startAdmin: async () => void admins.unshift(await startAdmin()),
    startProxy: start,
    stopProxy: stop,
    chat: async (id, model, headers = {}) => {
      const answer = await fetch(`${proxies.get(id)?.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
      })
      await answer.arrayBuffer()
      const revision = Number(answer.headers.get('x-signalbox-revision'))
      return { proxy: id, status: answer.status, revision }
    },
    active: async () => {
      const all = (await members()) as readonly { id: string; active: number }[]
      return Object.fromEntries(all.map(({ id, active }) => [id, active]))
    },
    state: (id) => proxies.get(id)?.proxy.configuration.following.state(),
    end: async () => {
      for (const id of [...proxies.keys()]) await stop(id)
      for (const admin of admins) await admin.stop()
      await database.drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function urlOf(address: RunningAdminApi['address'] | undefined): string {
  return address?.kind === 'tcp' ? `http://127.0.0.1:${address.port}` : ''
}
