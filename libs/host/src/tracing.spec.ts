import { ConfigError } from './env.ts'
import { readTracing } from './tracing.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' }
const read = (more: Record<string, string> = {}) => readTracing({ ...ENDPOINT, ...more }, 'proxy')

describe('where traces are sent', () => {
  it('is below the endpoint, or where it is said for traces', () => {
    expect(read()).toEqual({
      ...{ url: 'http://collector:4318/v1/traces', serviceName: 'proxy' },
      ...{ ratio: 1, parentBased: true },
    })
    const own = 'https://traces.test/in'
    expect(read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own })?.url).toBe(own)
    expect(read({ OTEL_SERVICE_NAME: 'mine' })?.serviceName).toBe('mine')
  })

  it.each<[string, Record<string, string>]>([
    ['nobody says where', { OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' }],
    ['it is disabled', { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }],
    ['nobody exports', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }],
  ])('is nowhere where %s', (_, env) => {
    expect(readTracing(env, 'proxy')).toBeNull()
  })

  it.each<[string, { ratio: number; parentBased: boolean }, string | null]>([
    ['always_on', { ratio: 1, parentBased: false }, null],
    ['always_off', { ratio: 0, parentBased: false }, null],
    ['traceidratio', { ratio: 0.25, parentBased: false }, '0.25'],
    ['parentbased_always_off', { ratio: 0, parentBased: true }, null],
    ['parentbased_traceidratio', { ratio: 0.01, parentBased: true }, '0.01'],
    ['parentbased_traceidratio', { ratio: 1, parentBased: true }, null],
  ])('samples by %s', (sampler, expected, share) => {
    const env = { OTEL_TRACES_SAMPLER: sampler }
    expect(read(share ? { ...env, OTEL_TRACES_SAMPLER_ARG: share } : env)).toMatchObject(expected)
  })

  it.each<Record<string, string>>([
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' },
    { OTEL_TRACES_SAMPLER: 'some' },
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1.5' },
    { OTEL_TRACES_SAMPLER_ARG: '0.5' },
    { OTEL_TRACES_EXPORTER: 'jaeger' },
    { OTEL_SERVICE_NAME: '' },
  ])('stops the start where it says %j', (env) => {
    expect(() => read(env)).toThrow(ConfigError)
  })
})
