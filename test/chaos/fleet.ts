// A whole fleet of real processes on one machine: Postgres, NATS, two admin-api, a probe, three
// proxies and two backends.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type NatsServer, startNatsServer } from '@signalbox/testing'
import { fleetEnv, TOKEN } from '../e2e/fleet-harness.ts'
import { type OwnPostgres, startOwnPostgres } from '../e2e/postgres-harness.ts'
import { endProcesses, root } from '../e2e/processes-harness.ts'
import { type Kind, Part } from './parts.ts'

const PROXIES = 3
const ADMINS = 2
const BACKENDS = 2
const MOCK = join(root, 'dist/standalone/mock-backend.js')

export interface Fleet {
  readonly folder: string
  readonly postgres: OwnPostgres
  readonly nats: NatsServer
  readonly parts: readonly Part[]
  of(kind: Kind): readonly Part[]
  /** Where a proxy keeps its disk copy. */
  diskOf(proxy: Part): string
  end(): Promise<void>
}

/** Everything runs; nothing is waited for. */
export async function startFleet(): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-chaos-'))
  chmodSync(folder, 0o711)
  const [postgres, nats] = await Promise.all([startOwnPostgres(), startNatsServer()])
  const shared = fleetEnv({ SIGNALBOX_NATS_URL: nats.url })
  const make = async (kind: Kind, index: number): Promise<Part> => {
    const name = `${kind}-${index}`
    const own = join(folder, name)
    const address = `127.0.0.1:${await freePort()}`
    const options = { name, kind, address, folder: own }
    switch (kind) {
      case 'backend': {
        const env = { SIGNALBOX_MOCK_PORT: address.split(':')[1] ?? '' }
        return new Part({ ...options, app: 'standalone', main: MOCK, env })
      }
      case 'admin': {
        const login = { SIGNALBOX_DATABASE_URL: postgres.url, SIGNALBOX_ADMIN_TOKEN: TOKEN }
        const env = { ...shared, ...login, SIGNALBOX_ADMIN_LISTEN: address }
        return new Part({ ...options, app: 'admin-api', env })
      }
      case 'probe': {
        const env = { ...shared, SIGNALBOX_PROBE_LISTEN: address, SIGNALBOX_PROBE_ID: name }
        return new Part({ ...options, app: 'health-probe', env })
      }
      case 'proxy': {
        const where = { SIGNALBOX_PROXY_LISTEN: address, SIGNALBOX_DATA_DIR: join(own, 'data') }
        const env = { ...shared, ...where, SIGNALBOX_PROXY_ID: name }
        return new Part({ ...options, app: 'proxy', env })
      }
    }
  }
  const counts: readonly (readonly [Kind, number])[] = [
    ...([
      ['backend', BACKENDS],
      ['admin', ADMINS],
      ['probe', 1],
      ['proxy', PROXIES],
    ] as const),
  ]
  const parts: Part[] = []
  for (const [kind, count] of counts) {
    for (let index = 0; index < count; index++) parts.push(await make(kind, index))
  }
  for (const part of parts) part.start()
  return {
    ...{ folder, postgres, nats, parts },
    of: (kind) => parts.filter((part) => part.kind === kind),
    diskOf: ({ folder: own, name }) => join(own, 'data', 'proxy', name),
    end: async () => {
      for (const part of parts) {
        part.leave()
        part.goOn()
      }
      await endProcesses()
      await nats.stop()
      await postgres.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
