import { ConfigError } from '@signalbox/host'
import { readNatsOptions } from './options.ts'

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
