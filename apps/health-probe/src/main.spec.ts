// The process of the probe, and what it reads from its environment.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { readProbeConfig } from './config.ts'
import { masterKey } from './probe-harness.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const key = { SIGNALBOX_MASTER_KEY: Buffer.from(masterKey).toString('base64') }

describe('readProbeConfig', () => {
  it('needs the master key alone', () => {
    expect(readProbeConfig(key)).toEqual({
      previousMasterKeys: [],
      id: `probe-${hostname()}`,
      fleet: 'default',
      observers: 3,
      listen: { kind: 'tcp', host: '127.0.0.1', port: 8082 },
      masterKey: Buffer.from(masterKey),
      metricsAccess: { enabled: true, credentials: null },
    })
  })

  it('takes what the environment says', () => {
    const env = {
      SIGNALBOX_PROBE_ID: 'p7',
      SIGNALBOX_FLEET: 'eu',
      SIGNALBOX_PROBE_LISTEN: 'unix:/run/probe.sock',
      SIGNALBOX_METRICS: 'off',
    }
    expect(readProbeConfig({ ...key, ...env })).toMatchObject({
      id: 'p7',
      fleet: 'eu',
      listen: { kind: 'unix', path: '/run/probe.sock' },
      metricsAccess: { enabled: false },
    })
  })

  it.each([
    ['SIGNALBOX_MASTER_KEY', 'short'],
    ['SIGNALBOX_PROBE_LISTEN', '8082'],
    ['SIGNALBOX_PROBE_ID', ' '],
    ['SIGNALBOX_FLEET', 'EU'],
    ['SIGNALBOX_METRICS', 'maybe'],
  ])('refuses a %s of %j', (name, value) => {
    expect(() => readProbeConfig({ ...key, [name]: value })).toThrow(
      expect.objectContaining({
        name: 'ConfigError',
        message: expect.stringMatching(new RegExp(`^${name} is .*; expected `)),
      }),
    )
  })
})

describe('the process', () => {
  it.each<[string, Record<string, string>]>([
    ['SIGNALBOX_MASTER_KEY', {}],
    ['SIGNALBOX_NATS_URL', key],
  ])('does not start without %s, and says so in one line', async (name, env) => {
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const [[code], problem, output] = await Promise.all([
      once(child, 'exit'),
      text(child.stderr),
      text(child.stdout),
    ])
    expect([code, output]).toEqual([78, ''])
    expect(problem).toMatch(new RegExp(`^signalbox: ${name} is not set; expected [^\n]+\n$`))
  })
})
