import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Figure } from './figure.ts'
import { type Measured, type Task } from './probe-main.ts'

const BACKENDS = 10_000
/** One in so many accepts a connection and says nothing. */
const HANGING_EVERY = 20
const SERVERS = 20
const SECONDS = 30
const HEALTHY_P95_MS_MOST = 100
const LIST = JSON.stringify({ object: 'list', data: [{ id: 'm1', object: 'model' }] })

/** What one probe costs that looks at 10,000 backends, of which one in twenty hangs. */
export async function probe(say: (line: string) => void): Promise<readonly Figure[]> {
  const [answering, hanging] = [await openServers(true), await openServers(false)]
  try {
    say(`${BACKENDS} backends for ${SECONDS} s`)
    const urls = Array.from({ length: BACKENDS }, (_, n) => {
      const servers = n % HANGING_EVERY === 0 ? hanging : answering
      const { port } = servers[n % SERVERS]?.address() as AddressInfo
      return `http://127.0.0.1:${port}/${n}`
    })
    const measured = await run({ urls, seconds: SECONDS })
    const figure = (name: string, value: number, more: Pick<Figure, 'unit'> & Partial<Figure>) => {
      const of = `probe of ${BACKENDS.toLocaleString('en')} backends, 5 % hang: ${name}`
      return { name: of, value, better: 'less' as const, ...more }
    }
    return [
      figure('p95 of a healthy look', measured.p95Ms, { unit: 'ms', most: HEALTHY_P95_MS_MOST }),
      figure('first look at all healthy ones', measured.firstMs / 1_000, { unit: 's' }),
      figure('cores in use', measured.cores, { unit: '' }),
      figure('resident memory', measured.rssMb, { unit: 'MB' }),
      figure('looks a second', measured.looksPerS, { unit: 'requests/s', better: 'more' }),
    ]
  } finally {
    for (const server of [...answering, ...hanging]) {
      server.closeAllConnections()
      server.close()
    }
  }
}

async function openServers(answers: boolean): Promise<readonly Server[]> {
  const servers = Array.from({ length: SERVERS }, () =>
    createServer((_request, response) => {
      if (answers) response.writeHead(200, { 'content-type': 'application/json' }).end(LIST)
    }),
  )
  await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1', 4_096)
      await once(server, 'listening')
    }),
  )
  return servers
}

/** In a process of its own: what the simulated backends cost is not the probe's. */
async function run(task: Task): Promise<Measured> {
  const child = fork(join(import.meta.dirname, 'probe-main.ts'))
  child.send(task)
  const [measured] = (await once(child, 'message')) as [Measured]
  child.kill()
  return measured
}
