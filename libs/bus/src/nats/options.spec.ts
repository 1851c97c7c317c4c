import { ConfigError } from '@signalbox/host'
import { connectionOptions, readNatsOptions } from './options.ts'

describe('readNatsOptions', () => {
  it('answers none where there is no URL', () => {
    expect(readNatsOptions({ SIGNALBOX_NATS_REPLICAS: '3' })).toBeUndefined()
  })

  it('reads the URL and what stands beside it', () => {
    const options = readNatsOptions({
      SIGNALBOX_NATS_URL: 'nats://a:4222,tls://b',
      SIGNALBOX_NATS_CREDENTIALS_FILE: '/c',
      SIGNALBOX_NATS_REPLICAS: '3',
    })
    expect(options).toMatchObject({
      url: 'nats://a:4222,tls://b',
      credentialsFile: '/c',
      replicas: 3,
    })
  })

  it.each(['', 'a:4222', 'http://a', 'nats://', 'nats://a/path', 'nats://a,,nats://b'])(
    'stops the start for the URL %j without showing it',
    (url) => {
      const env = { SIGNALBOX_NATS_URL: url }
      expect(() => readNatsOptions(env)).toThrow(ConfigError)
      expect(() => readNatsOptions({ SIGNALBOX_NATS_URL: 's3cret' })).not.toThrow(/s3cret/)
    },
  )
})

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
