import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packagesAtStart } from '@signalbox/testing'

/** Not its API, which prom-client asks for exemplars. */
const OTEL = ['sdk-trace', 'exporter-trace-otlp-http', 'otlp-transformer', 'resources'].map(
  (name) => `@opentelemetry/${name}`,
)
const root = dirname(import.meta.dirname)

describe('bundles', () => {
  it('are where Nx puts back what it finds in its cache', () => {
    for (const room of readdirSync(join(root, 'apps')).map((name) => `apps/${name}`)) {
      const { nx } = JSON.parse(readFileSync(join(root, room, 'package.json'), 'utf8'))
      const folder = room.replace('apps', 'dist')
      expect(nx.targets.build.outputs).toEqual([`{workspaceRoot}/${folder}`])
      expect(readdirSync(join(root, folder)).join()).toMatch(/\b(main\.js|index\.html)\b/)
    }
  })

  it('the proxy and the probe hold no Nest, no Prisma and no Postgres client', () => {
    const heavy = /^(@nestjs\/|@prisma\/|prisma$|pg$|pg-|fastify$|rxjs$)/
    for (const app of ['proxy', 'health-probe']) {
      const packages: Record<string, string[]> = JSON.parse(
        readFileSync(join(root, 'dist', app, 'meta.json'), 'utf8'),
      )
      const all = Object.values(packages).flat()
      expect(all).toContain('undici')
      expect(all).toContain('@nats-io/jetstream')
      expect(all.filter((name) => heavy.test(name))).toEqual([])
    }
  })

  it('the proxy loads the clients of NATS, Redis, TLS and traces late, of undici the pool alone', () => {
    const folder = join(root, 'dist/proxy')
    const meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8'))
    const late = ['@nats-io/transport-node', 'ioredis', 'undici', ...OTEL]
    const first = packagesAtStart(folder)
    expect(first).toEqual(expect.arrayContaining(['pino', 'prom-client', 'zod']))
    expect(
      first.filter((name) => late.includes(name) || /^@nats-io\/|^tdigest$/.test(name)),
    ).toEqual([])
    expect(Object.values(meta).flat()).toEqual(expect.arrayContaining(late))
    // An ES import of node:http reads its WebSocket, and with it comes all of fetch.
    const code = readdirSync(folder).filter((name) => name.endsWith('.js'))
    for (const name of code)
      expect(readFileSync(join(folder, name), 'utf8')).not.toMatch(/from"(node:)?http"/)
    const sources = readdirSync(folder)
      .filter((name) => name.endsWith('.js.map'))
      .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).sources)
    const has = (part: string) => sources.some((source: string) => source.includes(part))
    expect(has('undici/lib/dispatcher/pool.js')).toBe(true)
    expect(has('undici/lib/mock/')).toBe(false)
  })
})
