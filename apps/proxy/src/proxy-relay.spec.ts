// The proxy over real sockets: answers on their way to the client.
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { eventually, startMockBackend } from '@signalbox/testing'
import { OwnedIds } from './owned/owned-ids.ts'
import {
  apply,
  backend,
  base,
  chat,
  codeOf,
  hello,
  masterKey,
  raw,
  useProxy,
} from './proxy-harness.ts'

useProxy()

const stream = { ...hello, stream: true }
const asText = (body: object) => {
  const text = JSON.stringify(body)
  const head = `host: a\r\ncontent-type: application/json\r\ncontent-length: ${text.length}`
  return `POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n\r\n${text}`
}

describe('an answer', () => {
  it('holds the backend back while its client does not read, and then comes whole', async () => {
    const pieces = { count: 4_000, text: 'x'.repeat(16_384) }
    backend.setPieces(pieces)
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    socket.write(asText(stream)) // nobody reads: the kernel's buffers fill
    let [sent, same] = [0, 0]
    await eventually(() => {
      same = backend.eventsSent === sent && sent > 0 ? same + 1 : 0
      sent = backend.eventsSent
      return same === 25
    })
    expect(sent).toBeLessThan(pieces.count)

    let [bytes, tail] = [0, '']
    socket.on('data', (part: Buffer) => {
      bytes += part.length
      tail = (tail + part.toString('latin1')).slice(-64)
      if (tail.endsWith('\r\n0\r\n\r\n')) socket.end()
    })
    await new Promise((resolve) => socket.once('close', resolve))
    expect(tail).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\n$/)
    expect(bytes).toBeGreaterThan(pieces.count * pieces.text.length)
  })

  it('in one piece that the backend cuts breaks the connection and is not made whole', async () => {
    backend.cutAfter(0)
    const got = await raw(asText(hello))
    expect(got).toMatch(/^HTTP\/1\.1 200 /)
    const [head = '', body = ''] = got.split('\r\n\r\n')
    expect(body.length).toBeLessThan(Number(/content-length: (\d+)/.exec(head)?.[1]))
    expect(got).not.toMatch('stream_cut')
  })

  it('is passed on compressed as it came', async () => {
    const text = JSON.stringify({ text: 'a'.repeat(1_000) })
    const bytes = gzipSync(text)
    backend.answerWith((_, response) => {
      const type = 'application/json'
      response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' }).end(bytes)
    })
    const answer = await chat(hello, { 'accept-encoding': 'gzip' })
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(await answer.text()).toBe(text)
    expect(backend.requests[0]?.headers['accept-encoding']).toBe('gzip')
  })

  it('that streams is asked for in clear, and left alone where it is compressed', async () => {
    const events = 'data: {"choices":[]}\n\ndata: [DONE]\n\n'
    backend.answerWith((_, response) => {
      const type = 'text/event-stream'
      response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' })
      response.end(gzipSync(events))
    })
    const answer = await chat(stream, { 'accept-encoding': 'gzip' })
    expect(await answer.text()).toBe(events)
    expect(backend.requests[0]?.headers['accept-encoding']).toBe('identity')
  })

  it.each([
    ['a status below all others', 'HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n'],
    ['a status above all others', 'HTTP/1.1 9999 Odd\r\ncontent-length: 0\r\n\r\n'],
    ['a control character', 'HTTP/1.1 200 OK\r\ncontent-type: a\u0001b\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n'],
    ['no HTTP', 'SSH-2.0-x\r\n'],
    ['nothing', ''],
  ])('that begins with %s is an error of the backend, and harms nobody else', async (_, text) => {
    backend.answerWith((_, response) => void response.socket?.end(text), { times: 1 })
    const answer = await chat(hello)
    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream_failed'])
    expect((await chat(hello)).status).toBe(200)
  })

  it('that is a file of lines passes byte for byte, and is no stream', async () => {
    const lines = '{"custom_id":"a"}\n{"custom_id":"b"}'
    backend.answerWith((_, response) => {
      const headers = { 'content-type': 'application/x-ndjson', 'content-length': lines.length }
      response.writeHead(200, headers).end(lines)
    })
    const id = new OwnedIds({ masterKey }).tag({ backend: 'b1', id: 'file-a' }, '')
    const answer = await fetch(`${base}/v1/files/${id}/content`)
    expect(answer.headers.get('content-length')).toBe(String(lines.length))
    expect(await answer.text()).toBe(lines)
  })

  it('says what is for one connection alone in one line or in two', async () => {
    backend.answerWith((_, response) => {
      const type = ['content-type', 'application/json']
      const connection = ['connection', 'keep-alive', 'connection', 'openai-x', 'openai-x', '1']
      response.writeHead(200, [...type, ...connection, 'openai-y', '2']).end('{}')
    })
    const answer = await chat(hello)
    expect([answer.status, await answer.text()]).toEqual([200, '{}'])
    expect(answer.headers.get('openai-x')).toBeNull()
    expect(answer.headers.get('openai-y')).toBe('2')
  })

  it('is answered, and counted, also where it says its type and encoding twice', async () => {
    for (const stream of [false, true]) {
      backend.answerWith((_, response) => {
        const type = ['content-type', 'application/json', 'content-type', 'text/plain']
        const encoding = ['content-encoding', 'identity', 'content-encoding', 'identity']
        response.writeHead(200, [...type, ...encoding]).end('{"usage":{}}')
      })
      const answer = await chat({ ...hello, stream })
      expect([answer.status, await answer.text()]).toEqual([200, '{"usage":{}}'])
      expect(answer.headers.get('content-type')).toBe('application/json')
    }
  })

  it('never redirects us', async () => {
    const elsewhere = await startMockBackend({ models: ['m1'] })
    backend.answerWith(
      (_, response) => void response.writeHead(307, { location: elsewhere.url }).end(),
    )
    expect((await chat(hello)).status).toBe(307)
    expect(elsewhere.requests).toEqual([])
    await elsewhere.stop()
  })
})

describe('a change under a stream', () => {
  it('of the address sends new requests elsewhere and lets the stream finish', async () => {
    const other = await startMockBackend({ models: ['m1'] })
    backend.holdEvents()
    const answer = await chat(stream)
    await apply('backend', 'b1', {
      kind: 'openai-compatible',
      url: other.url,
      models: ['m1'],
    })
    expect((await chat(hello)).status).toBe(200)
    expect(other.requests).toHaveLength(1)
    backend.release()
    expect(await answer.text()).toMatch(/\[DONE\]/)
    await eventually(() => backend.connections.open === 0)
    await other.stop()
  })

  it('that does not concern the backend keeps its connections', async () => {
    expect((await chat(hello)).status).toBe(200)
    await apply('policy', 'default', { strategy: 'LeastLatency' })
    await apply('backend', 'b1', {
      kind: 'openai-compatible',
      url: backend.url,
      models: ['m1'],
      weight: 3,
    })
    expect((await chat(hello)).status).toBe(200)
    expect(backend.connections.total).toBe(1)
  })
})
