// What must not grow without end, and ends that must show, over real sockets.
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { eventually } from '@signalbox/testing'
import { apply, base, chat, codeOf, hello, raw, start, useProxy } from './proxy-harness.ts'

useProxy()

let odd: Server | undefined
afterEach(() => {
  odd?.closeAllConnections()
  odd?.close()
  odd = undefined
})

/** A backend that answers a chat with exactly this. */
async function answering(headers: Record<string, string>, body: string): Promise<void> {
  odd = createServer((request, response) => {
    request.resume()
    response.writeHead(200, headers).end(body)
  })
  const port = await new Promise<number>((resolve) => {
    odd?.listen(0, '127.0.0.1', () => {
      const address = odd?.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
  const url = `http://127.0.0.1:${port}`
  await apply('backend', 'odd', { kind: 'openai-compatible', url, models: ['odd'] })
}

const streamed = JSON.stringify({ ...hello, model: 'odd', stream: true })
const asked =
  `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n` +
  `content-length: ${streamed.length}\r\n\r\n${streamed}`
const EVENT = 'data: {"choices":[]}\n\n'
const metrics = async () => (await fetch(`${base}/metrics`)).text()

describe('a stream without its end', () => {
  it.each([
    ['that counts its bytes', { 'content-length': String(EVENT.length) }],
    ['whose type is in capitals', { 'content-type': 'Text/Event-Stream; charset=utf-8' }],
  ])('%s ends in an error event and a broken connection', async (_, more) => {
    await answering({ 'content-type': 'text/event-stream', ...more }, EVENT)
    const got = await raw(asked)
    expect(got).not.toMatch(/content-length/i)
    expect(got).toMatch(/"code":"stream_cut"/)
    // No final chunk: the client sees that it was cut.
    expect(got.endsWith('0\r\n\r\n')).toBe(false)
  })

  it('is not suspected where it ends well', async () => {
    const whole = `${EVENT}data: [DONE]\n\n`
    await answering(
      { 'content-type': 'text/event-stream', 'content-length': String(whole.length) },
      whole,
    )
    const answer = await chat(streamed)
    expect([answer.status, await answer.text()]).toEqual([200, whole])
  })
})

describe('the bodies of all requests', () => {
  it('have a limit together; who comes over it is shed, and room comes back', async () => {
    await start({ bodyBytesMax: 50_000 })
    await apply('backend', 'b1', {
      kind: 'openai-compatible',
      url: 'http://127.0.0.1:1',
      models: ['m1'],
    })
    const { port } = new URL(base)
    const head =
      'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n' +
      'content-length: 50000\r\n\r\n'
    const stalled = Array.from({ length: 8 }, () => {
      const socket = connect(Number(port), '127.0.0.1')
      socket.on('error', () => {})
      socket.write(head + 'x'.repeat(49_000))
      return socket
    })
    const held = async () => /signalbox_request_body_bytes (\d+)/.exec(await metrics())?.[1]
    await eventually(async () => (await held()) === String(8 * 49_000))
    const shed = await chat({ ...hello, pad: 'x'.repeat(20_000) })
    expect([shed.status, await codeOf(shed)]).toEqual([503, 'bodies_full'])
    expect(shed.headers.get('retry-after')).toBe('1')
    for (const socket of stalled) socket.destroy()
    await eventually(async () => (await held()) === '0')
    expect((await chat({ ...hello, model: 'nope', pad: 'x'.repeat(20_000) })).status).toBe(404)
  })
})

describe('what is counted by backend', () => {
  it('goes with the backend', async () => {
    await answering({ 'content-type': 'application/json' }, '{}')
    await (await chat({ ...hello, model: 'odd' })).text()
    await eventually(async () => (await metrics()).includes('backend="odd"'))
    await apply('backend', 'odd', null)
    expect(await metrics()).not.toContain('backend="odd"')
    expect(await metrics()).toContain('backend="b1"')
  })
})

it('a request without a host is answered in the shape of the API', async () => {
  const got = await raw('GET /v1/models HTTP/1.1\r\n\r\n')
  expect(got).toMatch(/^HTTP\/1\.1 400 /)
  expect(got).toMatch(/"code":"malformed_request"/)
})
