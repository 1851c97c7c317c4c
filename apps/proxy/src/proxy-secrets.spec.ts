// Secrets of their own, their change under requests, and a rotation of the master key; and what the
// settings change without a restart.
import { fingerprint, keyIdOf, seal } from '@signalbox/host'
import {
  apply,
  backend,
  chat,
  codeOf,
  hello,
  masterKey,
  proxy,
  start,
  useProxy,
} from './proxy-harness.ts'

useProxy()

const newKey = new Uint8Array(32).map((_, i) => 255 - i)
const sealed = (value: string, key = masterKey) => ({
  sealed: seal(value, key, 'default/secret/s'),
  fingerprint: fingerprint(value, key),
})
const spec = () => ({
  ...{ kind: 'openai-compatible', url: backend.url, models: ['m1'] },
  credential: { secret: 's' },
})
const sent = () => backend.requests.map(({ headers }) => headers.authorization)
const nacks = () => proxy.configuration.following.state().nacks

describe('a secret', () => {
  it('that changes reaches its backends; what is in flight ends with the one it began with', async () => {
    await apply('secret', 's', sealed('sk-one'))
    await apply('backend', 'b1', spec())
    backend.holdEvents()
    const streams = [1, 2, 3].map(() => chat({ ...hello, stream: true }))
    await backend.requested(3)
    await apply('secret', 's', sealed('sk-two'))
    const later = [1, 2, 3].map(() => chat({ ...hello, stream: true }))
    await backend.requested(6)
    backend.release()
    const texts = await Promise.all(
      [...streams, ...later].map(async (answer) => (await answer).text()),
    )
    expect(texts.map((text) => text.includes('[DONE]'))).toEqual(texts.map(() => true))
    expect(sent()).toEqual([
      ...[1, 2, 3].map(() => 'Bearer sk-one'),
      ...[1, 2, 3].map(() => 'Bearer sk-two'),
    ])
    expect(nacks()).toEqual([])
  })
})

describe('a rotation of the master key', () => {
  it('with both keys interrupts nothing', async () => {
    await proxy.stop()
    await start({ masterKey: newKey, previousMasterKeys: [masterKey] })
    await apply('secret', 's', sealed('sk-one'))
    await apply('backend', 'b1', spec())
    expect((await chat(hello)).status).toBe(200)
    await apply('secret', 's', sealed('sk-one', newKey))
    expect((await chat(hello)).status).toBe(200)
    expect([sent(), nacks()]).toEqual([['Bearer sk-one', 'Bearer sk-one'], []])
  })

  it('with the former key alone keeps the last good version, and names the key it misses', async () => {
    await apply('secret', 's', sealed('sk-one'))
    await apply('backend', 'b1', spec())
    await apply('secret', 's', sealed('sk-two', newKey))
    expect((await chat(hello)).status).toBe(200)
    expect(sent()).toEqual(['Bearer sk-one'])
    expect(nacks()).toMatchObject([{ resource: 'backend', id: 'b1', revision: 4 }])
    expect(nacks()[0]?.message).toBe(
      `its secret s is sealed under master key ${keyIdOf(newKey)}; here is ${keyIdOf(masterKey)}`,
    )
  })

  it('with the former key alone does not keep what the network allowed', async () => {
    await apply('secret', 's', sealed('sk-one'))
    await apply('backend', 'b1', { ...spec(), url: `http://localhost:${backend.port}` })
    expect((await chat(hello)).status).toBe(200)
    await apply('secret', 's', sealed('sk-two', newKey))
    await apply('settings', 'default', { network: { allow: ['public'] } })
    const refused = await chat(hello)
    expect([refused.status, await codeOf(refused)]).toEqual([502, 'upstream_address_refused'])
    await apply('settings', 'default', { network: { allow: ['public', 'loopback'] } })
    expect((await chat(hello)).status).toBe(200)
    expect(sent()).toEqual(['Bearer sk-one', 'Bearer sk-one'])
  })

  it('that a start has not heard of leaves the backend out, and no other', async () => {
    await apply('secret', 's', sealed('sk-two', newKey))
    await apply('backend', 'b2', { ...spec(), models: ['m2'] })
    expect((await chat(hello)).status).toBe(200)
    const answer = await chat({ ...hello, model: 'm2' })
    expect([answer.status, await codeOf(answer)]).toEqual([503, 'no_backend'])
    expect(sent()).toEqual([undefined])
    expect(nacks()).toMatchObject([{ id: 'b2' }])
  })
})

describe('the settings', () => {
  it('bound bodies at once, but never above what the environment allows', async () => {
    const large = { ...hello, pad: 'x'.repeat(5_000) }
    expect((await chat(large)).status).toBe(200)
    await apply('settings', 'default', { bodyBytesMax: 4_096 })
    expect((await chat(large)).status).toBe(413)
    expect((await chat(hello)).status).toBe(200)
    await apply('settings', 'default', { bodyBytesMax: 1_000_000 })
    expect((await chat(large)).status).toBe(200)
    expect((await chat({ ...hello, pad: 'x'.repeat(100_000) })).status).toBe(413)
  })

  it('give models without a route another policy at once', async () => {
    backend.hang()
    await apply('policy', 'short', { timeouts: { firstByteMs: 50 }, retry: { maxRetries: 0 } })
    await apply('settings', 'default', { implicitPolicy: 'short' })
    expect((await chat(hello)).status).toBe(504)
  })
})
