import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfigFile } from './config-file.ts'

const profiles = join(import.meta.dirname, '../../../deploy/profiles')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function read(text: string, { name = 'config.yaml', env = {} } = {}) {
  const path = join(folder, name)
  writeFileSync(path, text)
  return readConfigFile(path, env)
}

describe('a configuration file', () => {
  it('of the other router becomes backends, a policy and settings of the processes', () => {
    const { document, env, unmapped } = read(
      `server: {bind_address: '127.0.0.1:9090', keepalive_timeout: 75}
selection_strategy: LeastLatency
request: {timeout: 10}
logging: {level: error}
metrics: {enabled: true, auth: {enabled: true, username: metrics, password: '\${PASSWORD}'}}
backends:
  - {url: 'http://one:11434', name: one, weight: 3}
`,
      { env: { PASSWORD: 'x' } },
    )
    expect(document.backends?.['one']).toMatchObject({ url: 'http://one:11434', weight: 3 })
    expect(document.policies?.['default']).toMatchObject({
      strategy: 'LeastLatency',
      timeouts: { totalMs: 10_000 },
    })
    expect(env).toMatchObject({
      SIGNALBOX_PROXY_LISTEN: '127.0.0.1:9090',
      SIGNALBOX_LOG: 'error',
      SIGNALBOX_METRICS: 'on',
      SIGNALBOX_METRICS_USERNAME: 'metrics',
    })
    expect(unmapped.map(({ path }) => path)).toEqual(['server.keepalive_timeout'])
  })

  it('may have several addresses, and a socket beside them', () => {
    const { env, unmapped } = read(
      "server: {bind_address: ['127.0.0.1:9090', '[::1]:9090'], socket_path: /run/s.sock}\n",
    )
    expect(env).toEqual({ SIGNALBOX_PROXY_LISTEN: '127.0.0.1:9090,[::1]:9090,unix:/run/s.sock' })
    expect(unmapped).toEqual([])
    const wrong = read('server: {bind_address: [3]}\n')
    expect([wrong.env, wrong.unmapped.map(({ path }) => path)]).toEqual([
      {},
      ['server.bind_address.0'],
    ])
  })

  it.each(['high-throughput', 'low-latency', 'low-memory'])('loads the profile %s', (name) => {
    const { env } = readConfigFile(join(profiles, `config-${name}.yaml`), {})
    expect(env).toEqual(
      name === 'low-memory'
        ? { SIGNALBOX_LOG: 'error' }
        : { SIGNALBOX_PROXY_LISTEN: '0.0.0.0:8080' },
    )
  })

  it.each([
    ['config.yaml', 'backends:\n  b1: {kind: vllm, url: "http://b"}\n'],
    ['config.toml', '[backends.b1]\nkind = "vllm"\nurl = "http://b"\n'],
    ['config.json', '{"backends":{"b1":{"kind":"vllm","url":"http://b"}}}'],
  ])('of our own is taken as it is: %s', (name, text) => {
    const { document, unmapped } = read(text, { name })
    expect(document).toEqual({ backends: { b1: { kind: 'vllm', url: 'http://b' } } })
    expect(unmapped).toEqual([])
  })

  it.each([
    ['a: [', /config.yaml is not valid: /],
    ['backends: {b1: {}}\ngizmos: {}', /is not valid:\n {2}gizmos: unknown/],
    ['request: {max_retries: many}', /is not valid:\n {2}request.max_retries: /],
    ['backends: [{url: "${NOPE}"}]', /backends.0.url: .*NOPE/],
  ])('is refused with what is wrong: %j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  it('that is not there is named', () => {
    const missing = join(folder, 'none.yaml')
    expect(() => readConfigFile(missing, {})).toThrow(/none.yaml cannot be read \(ENOENT\)/)
  })
})
