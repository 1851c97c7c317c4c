// Real listeners on ports of their own, beside an admin API that does not matter here.
import { createServer } from 'node:http'
import { createServer as createTcp, type Server } from 'node:net'
import { join } from 'node:path'
import { listen, type ListenAddress, showListen } from '@signalbox/host'
import { freePort } from '@signalbox/testing'
import { makeFolder, type Folder } from './cli-harness.ts'

let folder: Folder
let servers: Server[]
beforeEach(() => {
  folder = makeFolder()
  servers = []
})
afterEach(() => {
  for (const server of servers) server.close()
  folder.remove()
})

const LOOPBACK = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
async function serve(body: string, address: ListenAddress = LOOPBACK): Promise<string> {
  const server = createServer((_, response) => response.end(body))
  servers.push(server)
  return showListen(await listen(server, address, 'ADDRESS'))
}
const alive = (address?: ListenAddress) => serve('{"alive":true}\n', address)

async function ports(env: Readonly<Record<string, string>>, url = 'http://127.0.0.1:9') {
  const { json } = await folder.run(['doctor', '--url', url, '--json'], { env, platform: 'darwin' })
  const checks = json.checks as { name: string; state: string; detail: string; remedy?: string }[]
  return checks.filter(({ name }) => /port/.test(name))
}

it('that answer are fine, over Unix sockets and of several addresses too', async () => {
  const unix = await alive({ kind: 'unix', path: join(folder.path, 's') })
  const several = `${await alive()},${unix}`
  const found = await ports({
    SIGNALBOX_PROXY_LISTEN: several,
    SIGNALBOX_PROBE_LISTEN: (await alive()).replace('127.0.0.1', '0.0.0.0'),
  })
  expect(found.map(({ name, state }) => [name, state])).toEqual([
    ['proxy port', 'ok'],
    ['probe port', 'ok'],
  ])
  expect(found[0]?.detail).toBe(`${several.replace(',', ', ')} answers`)
})

it('where nobody answers, or another program, are named with their variable', async () => {
  const silent = createTcp((socket) => socket.end('SSH-2.0-x\r\n'))
  servers.push(silent)
  const foreign = [await serve('<html>'), showListen(await listen(silent, LOOPBACK, 'ADDRESS'))]
  const nobody = `127.0.0.1:${await freePort()}`
  for (const address of foreign) {
    const env = { SIGNALBOX_PROXY_LISTEN: address, SIGNALBOX_PROBE_LISTEN: nobody }
    expect(await ports(env)).toMatchObject([
      {
        ...{ name: 'proxy port', state: 'fail', detail: `${address} is another program's` },
        remedy: expect.stringContaining('SIGNALBOX_PROXY_LISTEN'),
      },
      {
        ...{ name: 'probe port', state: 'fail' },
        detail: `${nobody} does not answer (ECONNREFUSED)`,
        remedy: expect.stringContaining('SIGNALBOX_PROBE_LISTEN'),
      },
    ])
  }
})

it('of a variable that names no address are a fault of the variable', async () => {
  const [proxy] = await ports({ SIGNALBOX_PROXY_LISTEN: 'here', SIGNALBOX_PROBE_LISTEN: 'there' })
  expect([proxy?.state, proxy?.detail]).toEqual(['fail', 'SIGNALBOX_PROXY_LISTEN names no address'])
})

it('are not looked for where the admin API is on another machine', async () => {
  const found = await ports({}, 'http://admin.invalid:8081')
  expect(found).toMatchObject([{ name: 'ports', state: 'ok' }])
})
