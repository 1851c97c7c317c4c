import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@signalbox/host'
import { readProxyConfig } from './config.ts'

let folder: string
let required: Record<string, string>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-config-'))
  const masterKey = Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('base64')
  required = { SIGNALBOX_DATA_DIR: folder, SIGNALBOX_MASTER_KEY: masterKey }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the configuration of a proxy', () => {
  it('has defaults for all but the master key', () => {
    expect(readProxyConfig(required)).toMatchObject({
      fleet: 'default',
      labels: {},
      listen: [{ kind: 'tcp', host: '0.0.0.0', port: 8080 }],
      bodyBytesMax: 32 * 1024 * 1024,
      drainNoticeMs: 1_000,
      drainDeadlineMs: 30_000,
    })
    expect(() => readProxyConfig({ SIGNALBOX_DATA_DIR: folder })).toThrow('SIGNALBOX_MASTER_KEY')
  })

  it('is read from the environment', () => {
    const config = readProxyConfig({
      ...required,
      SIGNALBOX_PROXY_ID: 'edge-1',
      SIGNALBOX_PROXY_LABELS: 'zone=a,tier=gold',
      SIGNALBOX_PROXY_LISTEN: '127.0.0.1:1,unix:/run/proxy',
      SIGNALBOX_BODY_BYTES_MAX: '2048',
      SIGNALBOX_DRAIN_NOTICE: '0',
      SIGNALBOX_DRAIN_DEADLINE: '2m',
    })
    expect(config).toMatchObject({
      id: 'edge-1',
      labels: { zone: 'a', tier: 'gold' },
      listen: [
        { kind: 'tcp', host: '127.0.0.1', port: 1 },
        { kind: 'unix', path: '/run/proxy' },
      ],
      bodyBytesMax: 2_048,
      drainNoticeMs: 0,
      drainDeadlineMs: 120_000,
    })
  })

  it.each([
    ['SIGNALBOX_PROXY_ID', 'a b'],
    ['SIGNALBOX_PROXY_ID', '../x'],
    ['SIGNALBOX_PROXY_LABELS', 'zone'],
    ['SIGNALBOX_PROXY_LISTEN', '8080'],
    ['SIGNALBOX_BODY_BYTES_MAX', '1'],
    ['SIGNALBOX_DRAIN_NOTICE', 'soon'],
    ['SIGNALBOX_DRAIN_DEADLINE', '-1s'],
  ])('refuses %s=%s and names the variable', (name, value) => {
    const read = () => readProxyConfig({ ...required, [name]: value })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(name)
  })

  it('keeps the id that it made up', () => {
    const { id } = readProxyConfig(required)
    expect(id).toMatch(/^[A-Za-z0-9.-]+-[0-9a-f]{6}$/)
    expect(readProxyConfig(required).id).toBe(id)
  })

  it.each(['', '../x', 'a b'])('makes up another one where the kept id is %j', (kept) => {
    writeFileSync(join(folder, 'proxy-id'), kept)
    const { id } = readProxyConfig(required)
    expect(id).toMatch(/^[A-Za-z0-9.-]+-[0-9a-f]{6}$/)
    expect(readProxyConfig(required).id).toBe(id)
  })

  it('refuses a data directory that cannot be one', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const read = () => readProxyConfig({ ...required, SIGNALBOX_DATA_DIR: file })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow('SIGNALBOX_DATA_DIR')
  })

  it('refuses a Redis that nobody could connect to', () => {
    const redis = (url: string) =>
      readProxyConfig({ ...required, SIGNALBOX_REDIS_URL: url }).redisUrl
    expect(redis('rediss://u:p%25@cache:6380/2')).toBe('rediss://u:p%25@cache:6380/2')
    for (const url of ['http://cache', 'cache:6379', 'redis://u:100%@cache']) {
      expect(() => redis(url)).toThrow('SIGNALBOX_REDIS_URL')
    }
  })
})
