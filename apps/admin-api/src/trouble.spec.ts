import { connect, createServer, type Socket } from 'node:net'
import { type HubBus } from '@signalbox/bus'
import { decodeManifest } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Api, SPEC, startApi } from './api-harness.ts'

describe('with the bus away', () => {
  let at: Api
  let follower: HubBus
  beforeEach(async () => {
    at = await startApi()
    follower = at.hub.connect()
  })
  afterEach(async () => {
    await follower.close()
    await at.end()
  })
  const stream = async () => {
    const found = await follower.revisions({ from: 1, to: 9 })
    return found.kind === 'found' ? found.messages.map((message) => message.hash) : []
  }
  const log = async () => (await at.store.messagesAfter(0, 9)).map((message) => message.hash)

  it('writes commit, readiness shows it and stays, and all is published when it is back', async () => {
    at.bus.setConnected(false)
    expect((await at.add('b1')).status).toBe(201)
    const ready = await at.call('GET', '/readyz', { token: '' })
    expect([ready.status, ready.json.detail.bus]).toEqual([200, expect.stringMatching('not')])
    expect(await stream()).toEqual([])
    at.bus.setConnected(true)
    await eventually(async () => (await stream()).length === 1)
    expect(await stream()).toEqual(await log())
  })

  it('what the bus forgot meanwhile is published again, the snapshot too', async () => {
    await at.add('b1')
    await eventually(async () => (await stream()).length === 1)
    at.bus.setConnected(false)
    at.hub.wipe()
    at.bus.setConnected(true)
    await eventually(async () => (await stream()).length === 1)
    await eventually(async () => {
      const manifest = decodeManifest((await follower.latestManifest())?.text ?? '')
      return manifest.ok && manifest.value.head.revision === 1
    })
  })

  it('a stream that is not a part of the log is rebuilt from the log', async () => {
    await at.add('b1')
    await eventually(async () => (await stream()).length === 1)
    at.bus.setConnected(false)
    const { lineage, epoch } = await at.store.head()
    await follower.openStream({ lineage, epoch, rebuild: true })
    const [first] = await at.store.messagesAfter(0, 1)
    if (!first) throw new Error('the log is empty')
    await follower.publishRevision({ ...first, hash: 'f'.repeat(64) })
    at.bus.setConnected(true)
    await eventually(async () => (await stream())[0] === first.hash)
    expect(at.logged.join('\n')).toMatch('not a part of the log')
  })

  it('a stop publishes what was written last', async () => {
    await Promise.all([at.add('b1'), at.add('b2'), at.add('b3')])
    await at.api.stop()
    expect(await stream()).toEqual(await log())
  })
})

describe('with the database away', () => {
  it('reads and writes are 503 with retry-after, and it comes back by itself', async () => {
    const relay = createRelay()
    const at = await startApi((url) => relay.open(url))
    await at.add('b1')
    relay.setCut(true)
    const answers = [
      await at.call('GET', 'backends/b1'),
      await at.call('GET', 'backends'),
      await at.add('b2'),
    ]
    for (const { status, json, headers } of answers) {
      expect([status, json.code]).toEqual([503, 'database_unavailable'])
      expect(headers.get('retry-after')).toBe('1')
    }
    await eventually(async () => (await at.call('GET', '/readyz')).status === 503)
    relay.setCut(false)
    await eventually(async () => (await at.call('GET', 'backends/b1')).status === 200)
    const again = await at.call('POST', 'backends', { body: { id: 'b2', spec: SPEC } })
    expect([again.status, again.json.revision]).toEqual([201, 2])
    await eventually(async () => (await at.call('GET', '/readyz')).status === 200)
    await at.end()
    await relay.close()
  })
})

/** Stands between the store and Postgres; when cut, it breaks and refuses connections. */
function createRelay() {
  const sockets = new Set<Socket>()
  let cut = false
  let target = { host: '', port: 0 }
  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
  }
  const server = createServer((inner) => {
    track(inner)
    if (cut) return void inner.destroy()
    const outer = connect(target)
    track(outer)
    inner.pipe(outer).pipe(inner)
    inner.on('close', () => outer.destroy())
    outer.on('close', () => inner.destroy())
  })
  return {
    open: (text: string) =>
      new Promise<string>((resolve) => {
        const url = new URL(text)
        target = { host: url.hostname, port: Number(url.port) }
        server.listen(0, '127.0.0.1', () => {
          const bound = server.address()
          url.host = `127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`
          resolve(url.href)
        })
      }),
    setCut: (value: boolean) => {
      cut = value
      if (value) for (const socket of sockets) socket.destroy()
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}
