// The proxy over real sockets: streams, attempts, and its own life.
import { rmSync } from 'node:fs'
import { eventually } from '@signalbox/testing'
import OpenAI from 'openai'
import {
  apply,
  backend,
  base,
  chat,
  codeOf,
  folder,
  hello,
  hub,
  newHub,
  proxy,
  raw,
  start,
  useProxy,
} from './proxy-harness.ts'

useProxy()

describe('a stream', () => {
  it('arrives chunk by chunk as the backend sends', async () => {
    backend.holdEvents()
    const answer = await chat({ ...hello, stream: true })
    expect(answer.headers.get('content-type')).toMatch('text/event-stream')
    const reader = answer.body?.getReader()
    backend.release(1)
    const first = await reader?.read()
    expect(Buffer.from(first?.value ?? []).toString()).toMatch(/^data: /)
    backend.release()
    let rest = ''
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
      rest += Buffer.from(part.value).toString()
    expect(rest).toMatch(/data: \[DONE\]\n\n$/)
  })

  it.each(['fin', 'reset', 'clean'] as const)(
    'that the backend cuts (%s) ends in an error event and a broken connection',
    async (how) => {
      backend.cutAfter(2, { how })
      const body = JSON.stringify({ ...hello, stream: true })
      const got = await raw(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )
      expect(got).toMatch(/"code":"stream_cut"/)
      expect(got).not.toMatch(/\[DONE\]/)
      expect(got).not.toMatch(/\r\n0\r\n\r\n$/)
    },
  )

  it('that the client leaves is ended at the backend at once', async () => {
    backend.holdEvents()
    const leaving = new AbortController()
    await chat({ ...hello, stream: true }, {}, leaving.signal)
    leaving.abort()
    await backend.disconnected(1)
    expect(backend.disconnects).toBe(1)
  })

  it('that was not answered yet is ended too when the client leaves', async () => {
    backend.hang()
    const leaving = new AbortController()
    const asked = chat(hello, {}, leaving.signal).catch(() => 'left')
    await backend.requested(1)
    leaving.abort()
    expect(await asked).toBe('left')
    await backend.disconnected(1)
  })

  it('keeps its table and its backend while both are changed under it', async () => {
    backend.holdEvents()
    const answer = await chat({ ...hello, stream: true })
    await apply('backend', 'b1', null)
    expect((await chat(hello)).status).toBe(404)
    backend.release()
    expect(await answer.text()).toMatch(/\[DONE\]/)
    expect(answer.headers.get('x-signalbox-revision')).toBe('1')
  })
})

describe('attempts', () => {
  const dead = { kind: 'openai-compatible', url: 'http://127.0.0.1:9', models: ['m1', 'dead'] }
  it('go elsewhere when nothing was sent', async () => {
    await apply('backend', 'b0', dead)
    const attempts = []
    for (let i = 0; i < 4; i++) {
      const answer = await chat(hello)
      expect(answer.status).toBe(200)
      attempts.push(answer.headers.get('x-signalbox-attempts'))
    }
    expect(attempts).toContain('2')
  })

  it('are exactly one with maxRetries 0', async () => {
    await apply('policy', 'default', { retry: { maxRetries: 0 } })
    await apply('backend', 'b0', dead)
    const answers = await Promise.all([chat(hello), chat(hello)])
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 502])
  })

  it('are not repeated when the backend may have run the request', async () => {
    backend.reset()
    const answer = await chat(hello)
    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream_failed'])
    expect(backend.requests).toHaveLength(1)
  })

  it('leave out a backend that a probe says is down: 503 with retry-after, until it is back', async () => {
    const probe = hub.connect()
    const status = {
      backend: 'b1',
      sinceMs: 1,
      latencyMs: 1,
      error: 'x',
      models: null,
      revision: 1,
      observer: 'p',
    }
    const say = (health: 'down' | 'ready', checkedAtMs: number) =>
      probe.sendStatus({ observer: 'p', statuses: [{ ...status, health, checkedAtMs }] })
    say('down', 1)
    await eventually(async () => (await chat(hello)).status === 503)
    const answer = await chat(hello)
    expect([answer.headers.get('retry-after'), await codeOf(answer)]).toEqual(['1', 'no_backend'])
    say('ready', 2)
    await eventually(async () => (await chat(hello)).status === 200)
    await probe.close()
  })

  it('end with 504 when the backend does not answer in time', async () => {
    await apply('policy', 'default', { timeouts: { firstByteMs: 200, totalMs: 300 } })
    backend.hang()
    const answer = await chat(hello)
    expect([answer.status, await codeOf(answer)]).toEqual([504, 'upstream_timeout'])
  })
})

describe('the proxy', () => {
  it('serves the official OpenAI package unmodified', async () => {
    const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'any', maxRetries: 0 })
    const messages = [{ role: 'user' as const, content: 'Hello' }]
    const plain = await client.chat.completions.create({ model: 'm1', messages })
    expect(plain.choices[0]?.message.content).toMatch(/simulated/)
    let text = ''
    for await (const part of await client.chat.completions.create({
      model: 'm1',
      messages,
      stream: true,
    })) {
      text += part.choices[0]?.delta.content ?? ''
    }
    expect(text).toMatch(/simulated/)
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['m1'])
    await expect(client.chat.completions.create({ model: 'nope', messages })).rejects.toMatchObject(
      { status: 404, code: 'model_not_found' },
    )
  })

  it('tells health, metrics and readiness', async () => {
    await chat(hello)
    const metrics = await (await fetch(`${base}/metrics`)).text()
    for (const name of [
      'http_requests_total{method="POST",endpoint="chat.completions",status="200"} 1',
      'http_request_duration_seconds',
      'backend_request_duration_seconds',
      'backend_health_status{backend="b1"} 1',
      'active_connections',
      'signalbox_revision_applied 1',
    ])
      expect(metrics).toContain(name)
    expect((await fetch(`${base}/readyz`)).status).toBe(200)
    expect(await (await fetch(`${base}/admin/health`)).json()).toMatchObject({
      backends: [{ id: 'b1', eligible: true }],
    })
  })

  it('keeps a status that comes before its backend', async () => {
    backend.setModels(['m1', 'early'])
    const probe = hub.connect()
    const facts = {
      health: 'ready',
      sinceMs: 1,
      checkedAtMs: 1,
      latencyMs: 1,
      error: null,
    } as const
    const status = { ...facts, backend: 'b2', models: ['early'], revision: 9, observer: 'p' }
    const seen = { ...facts, backend: 'b1', models: null, revision: 1, observer: 'p' }
    probe.sendStatus({ observer: 'p', statuses: [status, seen] })
    await eventually(async () => {
      const answer = await fetch(`${base}/admin/health`)
      return (
        ((await answer.json()) as { backends: { health: string }[] }).backends[0]?.health ===
        'ready'
      )
    })
    await apply('backend', 'b2', { kind: 'openai-compatible', url: backend.url })
    expect((await chat({ ...hello, model: 'early' })).status).toBe(200)
    await probe.close()
  })

  it('waits for the models of a backend that is just being discovered', async () => {
    backend.setModels(['m1', 'found'])
    await apply('backend', 'b2', { kind: 'openai-compatible', url: backend.url })
    const asked = chat({ ...hello, model: 'found' })
    const probe = hub.connect()
    probe.sendStatus({
      observer: 'p',
      statuses: [
        {
          backend: 'b2',
          health: 'ready',
          sinceMs: 1,
          checkedAtMs: 1,
          latencyMs: 1,
          error: null,
          models: ['found'],
          revision: 2,
          observer: 'p',
        },
      ],
    })
    expect((await asked).status).toBe(200)
    await probe.close()
  })

  it('knows the models that were found before, without a bus and without a probe', async () => {
    await apply('backend', 'b2', { kind: 'openai-compatible', url: backend.url })
    const probe = hub.connect()
    const facts = {
      health: 'ready',
      sinceMs: 1,
      checkedAtMs: 1,
      latencyMs: 1,
      error: null,
    } as const
    const found = { ...facts, backend: 'b2', models: ['found'], revision: 2, observer: 'p' }
    backend.setModels(['m1', 'found'])
    probe.sendStatus({ observer: 'p', statuses: [found] })
    await eventually(async () => (await chat({ ...hello, model: 'found' })).status === 200)
    await eventually(() => proxy.configuration.following.state().received === 2)
    await proxy.stop()
    newHub()
    await start()
    await eventually(async () => (await fetch(`${base}/readyz`)).status === 200)
    expect((await chat({ ...hello, model: 'found' })).status).toBe(200)
  })

  it('starts from its disk copy without a bus, and is ready', async () => {
    await eventually(() => proxy.configuration.following.state().received === 1)
    await proxy.stop()
    newHub()
    await start()
    await eventually(async () => (await fetch(`${base}/readyz`)).status === 200)
    expect((await chat(hello)).status).toBe(200)
  })

  it('is not ready and says so before it has a configuration', async () => {
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
    newHub()
    await start()
    expect((await fetch(`${base}/readyz`)).status).toBe(503)
    expect([(await chat(hello)).status, await codeOf(await chat(hello))]).toEqual([
      503,
      'not_ready',
    ])
  })

  it('drains: a running stream finishes, readiness is off, new connections are refused', async () => {
    backend.holdEvents()
    const answer = await chat({ ...hello, stream: true })
    const stopping = proxy.stop()
    await eventually(() =>
      fetch(`${base}/healthz`).then(
        () => false,
        () => true,
      ),
    )
    backend.release()
    expect(await answer.text()).toMatch(/\[DONE\]/)
    await stopping
  })

  it('ends with an error event what does not finish by the drain deadline', async () => {
    await proxy.stop()
    await start({ drainDeadlineMs: 0 })
    await eventually(() => proxy.configuration.current() !== undefined)
    backend.holdEvents()
    const answer = await chat({ ...hello, stream: true })
    const text = (async () => {
      let got = ''
      try {
        for await (const part of answer.body ?? []) got += Buffer.from(part).toString()
        return `${got}clean`
      } catch {
        return got
      }
    })()
    await proxy.stop()
    expect(await text).toMatch(/"code":"draining"/)
    expect(await text).not.toMatch(/clean$/)
  })
})
