// Three nats-servers that keep a stream together: one of them may be away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type NatsServer, startNatsServer } from '@signalbox/testing'

export interface NatsCluster {
  /** All of them, by commas. */
  readonly url: string
  readonly servers: readonly NatsServer[]
  stop(): Promise<void>
}

const SERVERS = 3

export async function startNatsCluster(): Promise<NatsCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-nats-cluster-'))
  const routes = await Promise.all(Array.from({ length: SERVERS }, freePort))
  const urls = routes.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  const servers = await Promise.all(
    routes.map((route, n) => {
      const configFile = join(folder, `nats-${n}.conf`)
      writeFileSync(
        configFile,
        `server_name: n${n}
jetstream { store_dir: "${join(folder, `store-${n}`)}" }
cluster { name: test, listen: "127.0.0.1:${route}", routes: [${urls}] }
`,
      )
      return startNatsServer({ configFile })
    }),
  )
  return {
    url: servers.map(({ url }) => url).join(','),
    servers,
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
