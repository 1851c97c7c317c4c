import { createHash } from 'node:crypto'
import { type IncomingMessage } from 'node:http'
import { type AddressInfo } from 'node:net'
import { eventually } from '@signalbox/testing'
import WebSocket, { WebSocketServer } from 'ws'
import { apply, backend, base, proxy, start, useProxy } from '../proxy-harness.ts'
import { recordNamed, storing } from '../usage-harness.ts'

useProxy()

let server: WebSocketServer
let asked: IncomingMessage[]
beforeEach(async () => {
  asked = []
  server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: (all) => [...all][0] ?? false,
  })
  await new Promise((resolve) => server.once('listening', resolve))
  server.on('connection', (socket, request) => {
    asked.push(request)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/v1`
  await apply('backend', 'ear', { kind: 'openai', url, models: ['gpt-realtime'] })
})
afterEach(async () => {
  for (const socket of server.clients) socket.terminate()
  await new Promise((resolve) => server.close(resolve))
})

function connect(
  model = 'gpt-realtime',
  options: WebSocket.ClientOptions = {},
  protocols: string[] = [],
) {
  const url = `${base.replace('http', 'ws')}/v1/realtime?model=${model}`
  const socket = new WebSocket(url, protocols, options)
  socket.on('error', () => {})
  const refused = new Promise<IncomingMessage>((resolve) => {
    socket.on('unexpected-response', (_request, answer) => resolve(answer))
  })
  const opened = new Promise<void>((resolve) => socket.once('open', () => resolve()))
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)))
  const message = () =>
    new Promise<Buffer>((resolve) => socket.once('message', (data: Buffer) => resolve(data)))
  return { socket, opened, refused, closed, message }
}

async function codeOf(answer: IncomingMessage) {
  const parts: Buffer[] = []
  for await (const part of answer as AsyncIterable<Buffer>) parts.push(part)
  const { error } = JSON.parse(Buffer.concat(parts).toString()) as { error: { code: string } }
  return [answer.statusCode, error.code]
}

describe('a WebSocket', () => {
  it('passes messages both ways, and is recorded when it ends', async () => {
    const all = storing()
    const { socket, opened, message, closed } = connect('gpt-realtime', {
      headers: { 'x-request-id': 'talk' },
    })
    await opened
    socket.send('{"type":"session.update"}')
    expect((await message()).toString()).toBe('{"type":"session.update"}')
    const sound = Buffer.alloc(300_000, 7)
    socket.send(sound)
    expect((await message()).equals(sound)).toBe(true)
    socket.close(4_001, 'enough')
    expect(await closed).toBe(4_001)
    const record = await recordNamed(all, 'talk')
    expect(record).toMatchObject({ operation: 'realtime', status: 101, model: 'gpt-realtime' })
    expect(record.bytes).toBeGreaterThan(300_000)
    expect(record.attempts).toMatchObject([{ backend: 'ear', outcome: 'answered' }])
  })

  it('asks for the model by its name there, and shows no key of the client', async () => {
    const token = `sbx-${'A'.repeat(43)}`
    await apply('key', 'k1', { hash: createHash('sha256').update(token).digest('hex') })
    await apply('settings', 'default', { clientAuth: 'blocking' })
    const target = { backend: 'ear', model: 'gpt-realtime' }
    await apply('route', 'talk', { tiers: [{ targets: [target] }] })
    const { socket, opened } = connect('talk', {}, ['realtime', `openai-insecure-api-key.${token}`])
    await opened
    expect([asked[0]?.url, socket.protocol]).toEqual([
      '/v1/realtime?model=gpt-realtime',
      'realtime',
    ])
    expect(JSON.stringify(asked[0]?.rawHeaders)).not.toContain(token)
    socket.terminate()
    expect(await codeOf(await connect('talk').refused)).toEqual([401, 'missing_key'])
  })

  it.each([
    ['', 400, 'missing_model'],
    ['nobody', 404, 'model_not_found'],
  ])('for the model %j is refused', async (model, status, code) => {
    expect(await codeOf(await connect(model).refused)).toEqual([status, code])
  })

  it('is refused as the backend refuses it', async () => {
    backend.answerWith((_request, response) => {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end('{"error":{"code":"no_realtime_here"}}')
    })
    expect(await codeOf(await connect('m1').refused)).toEqual([400, 'no_realtime_here'])
  })

  it('goes to the next backend where the first one cannot be reached', async () => {
    await apply('backend', 'deaf', { kind: 'openai', url: 'http://127.0.0.1:1', models: [] })
    const tier = (id: string) => ({ targets: [{ backend: id, model: 'gpt-realtime' }] })
    await apply('route', 'either', { tiers: [tier('deaf'), tier('ear')] })
    const { socket, opened } = connect('either')
    await opened
    socket.terminate()
    await apply('route', 'either', { tiers: [tier('deaf')] })
    const [status] = await codeOf(await connect('either').refused)
    expect(status).toBe(502)
  })

  it('does not let the backend run ahead of a client that does not read', async () => {
    const { socket, opened } = connect()
    await opened
    socket.pause()
    const [upstream] = [...server.clients]
    const chunk = Buffer.alloc(1_000_000, 1)
    for (let n = 0; n < 40; n++) upstream?.send(chunk)
    let last = -1
    await eventually(() => {
      const same = upstream?.bufferedAmount === last
      last = upstream?.bufferedAmount ?? -1
      return same
    })
    expect(last).toBeGreaterThan(10_000_000)
    socket.terminate()
  })

  it('ends on one side when the other one does', async () => {
    const first = connect()
    await first.opened
    for (const socket of server.clients) socket.terminate()
    expect(await first.closed).toBe(1_006)
    const second = connect()
    await second.opened
    const left = new Promise((resolve) => [...server.clients].at(-1)?.once('close', resolve))
    second.socket.terminate()
    await left
  })

  it('ends with a drain', async () => {
    await proxy.stop()
    await start({ drainDeadlineMs: 50 })
    await eventually(() => proxy.configuration.current() !== undefined)
    const { opened, closed } = connect()
    await opened
    await Promise.all([proxy.stop(), closed])
  })
})

describe('any other upgrade', () => {
  it('is passed over, and a plain request to a WebSocket is told so', async () => {
    const answer = await fetch(`${base}/v1/realtime?model=gpt-realtime`)
    expect(answer.status).toBe(426)
    const { error } = (await answer.json()) as { error: { code: string } }
    expect(error.code).toBe('upgrade_required')
  })

  it('counts against the limits of its key, and frees its place when it ends', async () => {
    const token = `sbx-${'l'.repeat(43)}`
    const hash = createHash('sha256').update(token).digest('hex')
    await apply('key', 'few', { hash, limits: { concurrency: 1 } })
    const headers = { authorization: `Bearer ${token}` }
    const first = connect('gpt-realtime', { headers })
    await first.opened
    const answer = await connect('gpt-realtime', { headers }).refused
    expect(await codeOf(answer)).toEqual([429, 'rate_limited'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    first.socket.close()
    await first.closed
    const next = await eventually(async () => {
      const again = connect('gpt-realtime', { headers })
      return (await Promise.race([again.opened.then(() => true), again.refused])) === true && again
    })
    next.socket.close()
    await next.closed
  })
})
