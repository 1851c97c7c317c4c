// Backends behind TLS whose certificate nobody has signed but themselves.
import { createServer, type Server } from 'node:https'
import { listen } from '@signalbox/host'
import { createChecker } from './check.ts'
import { backend, masterKey, ownOf, resourceOf, useProbe } from './probe-harness.ts'
import { CERTIFICATE, KEY } from '@signalbox/testing'

useProbe()

let server: Server
let port: number
let requests: number

beforeEach(async () => {
  requests = 0
  server = createServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => {
    requests += 1
    response.end('{"data":[{"id":"m1"}]}')
  })
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
  const taken = await listen(server, address, 'none')
  port = taken.kind === 'tcp' ? taken.port : 0
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function check(tls: object, url = `https://127.0.0.1:${port}`) {
  const resource = resourceOf({ kind: 'openai-compatible', url, tls })
  const options = { ...ownOf(resource), masterKey, fleet: 'default', monotonicMs: () => 0 }
  const checker = createChecker(options)
  const checked = await checker.check()
  await checker.close()
  return checked
}

const fails = (error: string) => ({ result: 'fail', error, models: null })

describe('a backend behind TLS', () => {
  it('fails unless its certificate can be verified: that is the default', async () => {
    const error = 'connection failed (DEPTH_ZERO_SELF_SIGNED_CERT)'
    expect(await check({})).toMatchObject(fails(error))
    expect(requests).toBe(0)
  })

  it('passes with the authority that the operator gave', async () => {
    expect(await check({ caPem: CERTIFICATE })).toMatchObject({ result: 'pass', models: ['m1'] })
  })

  it('passes unverified where the operator wants that', async () => {
    expect(await check({ verify: false })).toMatchObject({ result: 'pass', models: ['m1'] })
  })

  it('fails where the certificate is of another name', async () => {
    const error = 'connection failed (ERR_TLS_CERT_ALTNAME_INVALID)'
    const tls = { caPem: CERTIFICATE, serverName: 'other.example' }
    expect(await check(tls)).toMatchObject(fails(error))
  })

  it('is asked by the name that the operator gave', async () => {
    const tls = { caPem: CERTIFICATE, serverName: 'localhost' }
    expect(await check(tls)).toMatchObject({ result: 'pass' })
  })

  it('fails, and nothing breaks, where the authority is no certificate', async () => {
    const noPem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    expect(await check({ caPem: noPem })).toMatchObject({
      result: 'fail',
      error: expect.stringMatching(/^connection failed \(\w+\)$/),
    })
  })

  it('fails where there is none', async () => {
    expect(await check({}, backend.url.replace('http:', 'https:'))).toMatchObject({
      result: 'fail',
      error: expect.stringMatching(/^connection failed \(\w+\)$/),
    })
  })

  it('fails where it is spoken to in clear', async () => {
    expect(await check({}, `http://127.0.0.1:${port}`)).toMatchObject({ result: 'fail' })
    expect(requests).toBe(0)
  })
})
