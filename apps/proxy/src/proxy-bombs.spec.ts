// Answers that grow, and texts that would be more than a value where they are written down.
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { createLog, seal } from '@signalbox/host'
import { startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, codeOf, hello, masterKey, proxy } from './proxy-harness.ts'
import { start, useProxy } from './proxy-harness.ts'
import { recordNamed, storing } from './usage-harness.ts'

useProxy()

describe('a compressed answer that grows a thousandfold', () => {
  const usage = { prompt_tokens: 3, completion_tokens: 4 }
  const bomb = Buffer.from(JSON.stringify({ pad: ' '.repeat(50_000_000), usage }))

  it.each([
    ['gzip', gzipSync(bomb)],
    ['deflate', deflateSync(bomb)],
    ['br', brotliCompressSync(bomb, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ])('by %s is passed on as it came, and not opened for its tokens', async (encoding, packed) => {
    const all = storing()
    backend.answerWith((_request, response) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': encoding }
      response.writeHead(200, headers).end(packed)
    })
    const before = process.memoryUsage().arrayBuffers
    // Node's fetch would open it.
    const { request } = await import('undici')
    const answer = await request(`${base}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': encoding },
      body: JSON.stringify(hello),
    })
    expect(Buffer.from(await answer.body.arrayBuffer()).equals(packed)).toBe(true)
    const { tokens } = await recordNamed(all, encoding)
    expect(tokens.completion).not.toBe(usage.completion_tokens)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(bomb.length / 2)
  })
})

describe('a line break', () => {
  it('in what a client writes makes no line of the log', async () => {
    await proxy.stop()
    const lines: string[] = []
    const levels = { standard: 'debug', byRoom: new Map() } as const
    await start({}, { log: createLog('proxy', levels, { write: (one) => void lines.push(one) }) })
    await apply('backend', 'b1', {
      ...{ kind: 'openai-compatible', url: backend.url, models: ['m1'] },
    })
    const forged = 'x"}\n{"level":30,"msg":"forged"}\r\n\u001b[31m\u2028'
    const answer = await chat({ ...hello, model: forged })
    expect([answer.status, await codeOf(answer)]).toEqual([404, 'model_not_found'])
    await fetch(`${base}/v1/models/${encodeURIComponent(forged)}`)
    await (await chat(hello, { 'user-agent': 'a\tb"}', 'x-request-id': 'a b' })).text()
    await proxy.stop()
    const read = lines.flatMap((line) => line.split('\n').filter((one) => one !== ''))
    expect(read).toHaveLength(lines.length)
    for (const one of read) expect(JSON.parse(one)).not.toMatchObject({ msg: 'forged' })
    // eslint-disable-next-line no-control-regex
    expect(lines.join('')).not.toMatch(/\u001b/)
  })

  it('in a credential is no header more: nothing is sent', async () => {
    const secret = 'k\r\nx-injected: 1\r\n\r\nGET /smuggled HTTP/1.1'
    const sealed = seal(secret, masterKey, 'default/backend/b1')
    const spec = { kind: 'openai-compatible', models: ['m1'] }
    await apply('backend', 'b1', {
      ...{ ...spec, url: backend.url, credential: { sealed, fingerprint: 'f' } },
    })
    const answer = await chat(hello)
    expect(answer.status).toBe(502)
    expect(await answer.text()).not.toContain('injected')
    expect(backend.requests).toEqual([])
  })

  it('in a model of the path is no request more', async () => {
    const gemini = await startMockBackend({ models: ['g'] })
    await apply('backend', 'g', { kind: 'gemini', url: gemini.url, models: ['g'] })
    const name = encodeURIComponent('g HTTP/1.1\r\nx-injected: 1\r\n\r\n')
    const answer = await fetch(`${base}/v1beta/models/${name}:generateContent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"contents":[]}',
    })
    expect(answer.status).toBe(404)
    expect([gemini.requests, backend.requests]).toEqual([[], []])
    await gemini.stop()
  })
})
