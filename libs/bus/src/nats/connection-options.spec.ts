import { connectionOptions } from './connection-options.ts'

describe('connectionOptions', () => {
  it('takes servers and credentials from the URL', () => {
    const options = connectionOptions({ url: 'nats://u%40x:p%3A@a:1,nats://[::1]:2' })
    expect(options).toEqual({ servers: ['a:1', '[::1]:2'], user: 'u@x', pass: 'p:' })
    expect(connectionOptions({ url: 'nats://token@a:1' })).toEqual({
      servers: ['a:1'],
      token: 'token',
    })
  })

  it('uses TLS, verified, for tls:// and where a CA is given', () => {
    expect(connectionOptions({ url: 'nats://a' }).tls).toBeUndefined()
    expect(connectionOptions({ url: 'tls://a' }).tls).toEqual({})
  })

  it('stops the start for a file that cannot be read, naming the variable', () => {
    const options = { url: 'nats://a', credentialsFile: '/does/not/exist' }
    expect(() => connectionOptions(options)).toThrow(
      'SIGNALBOX_NATS_CREDENTIALS_FILE: cannot read /does/not/exist (ENOENT)',
    )
    expect(() => connectionOptions({ url: 'nats://a', caFile: '/no' })).toThrow(/NATS_CA_FILE/)
  })
})
