import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Env } from './env.ts'
import {
  DEFAULT_FLEET,
  parseDurationMs,
  parseLabels,
  readFleet,
  readMasterKeys,
  readMetricsAccess,
} from './variables.ts'

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('base64')

describe('parseDurationMs', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['15', 15_000],
    ['0', 0],
    ['007s', 7_000],
  ])('takes %j', (text, ms) => expect(parseDurationMs(text)).toBe(ms))

  it.each(['', 's', '-1s', '1.5s', '1 s', '1d', '1S', '1s2ms', '12345678s', '1e3', 'toString'])(
    'refuses %j',
    (text) => expect(parseDurationMs(text)).toBeUndefined(),
  )
})

describe('parseLabels', () => {
  it('takes pairs, with space around them, and values that are empty', () => {
    expect(parseLabels('zone=a')).toEqual({ zone: 'a' })
    expect(parseLabels(' zone= a ,k8s.io/name=x y,rack=')).toEqual({
      zone: 'a',
      'k8s.io/name': 'x y',
      rack: '',
    })
  })

  it('takes any name as a name, also those that objects have of themselves', () => {
    const labels = parseLabels('__proto__=a,constructor=b')
    expect(Object.entries(labels ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })

  it.each(['', 'zone', '=a', 'zone=a,', 'zone=a=b', 'zo ne=a', 'zone =a', 'zone=a;tier=b,'])(
    'refuses %j',
    (text) => expect(parseLabels(text)).toBeUndefined(),
  )

  it('takes 64 labels and no more', () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => `l${i}=v`).join(',')
    expect(Object.keys(parseLabels(many(64)) ?? {})).toHaveLength(64)
    expect(parseLabels(many(65))).toBeUndefined()
  })
})

describe('readFleet', () => {
  const fleet = (text: string) => readFleet({ SIGNALBOX_FLEET: text })

  it('answers the name, or the default where none is given', () => {
    expect([fleet('eu-1'), fleet('a'.repeat(31))]).toEqual(['eu-1', 'a'.repeat(31)])
    expect(readFleet({})).toBe(DEFAULT_FLEET)
  })

  it.each(['', '-a', 'EU', 'a.b', 'a*', 'a b', 'a'.repeat(32)])('refuses %j', (text) => {
    expect(() => fleet(text)).toThrow(/^SIGNALBOX_FLEET is ".*"; expected 1 to 31 lower-case/)
  })
})

describe('readMasterKeys', () => {
  const read = (text: string) => readMasterKeys({ SIGNALBOX_MASTER_KEY: text }).masterKey

  it('answers 32 bytes', () => {
    expect([...read(KEY)]).toEqual(Array.from({ length: 32 }, (_, i) => i))
  })

  it('refuses to do without, and says how to make one', () => {
    expect(() => readMasterKeys({})).toThrow(
      'SIGNALBOX_MASTER_KEY is not set; expected 32 bytes as base64 (openssl rand -base64 32)',
    )
  })

  it.each([
    ['31 bytes', Buffer.alloc(31, 'ab').toString('base64')],
    ['33 bytes', Buffer.alloc(33, 'ab').toString('base64')],
    ['32 equal bytes', Buffer.alloc(32, 'a').toString('base64')],
    ['no base64', `${KEY.slice(0, 20)}*${KEY.slice(21)}`],
    ['nothing', ''],
  ])('refuses %s and does not show them', (_, text) => {
    const line =
      'SIGNALBOX_MASTER_KEY is a value of the wrong shape; ' +
      'expected 32 bytes as base64 (openssl rand -base64 32)'
    expect(() => read(text)).toThrow(
      expect.objectContaining({ name: 'ConfigError', message: line }),
    )
  })
})

describe('former master keys', () => {
  const other = Buffer.from(Array.from({ length: 32 }, (_, i) => 32 - i)).toString('base64')
  const read = (text: string) =>
    readMasterKeys({ SIGNALBOX_MASTER_KEY: KEY, SIGNALBOX_MASTER_KEY_PREVIOUS: text })

  it('are none, one or several; one that seals as well is not former', () => {
    expect(readMasterKeys({ SIGNALBOX_MASTER_KEY: KEY }).previousMasterKeys).toEqual([])
    const { previousMasterKeys } = read(`${other}, ${KEY},${other}`)
    expect(previousMasterKeys.map((key) => Buffer.from(key).toString('base64'))).toEqual([other])
  })

  it.each(['', `${other},`, `${other},x`, Array.from({ length: 9 }, () => other).join(',')])(
    'are refused where one is none, and not shown: %j',
    (text) => {
      const line = /^SIGNALBOX_MASTER_KEY_PREVIOUS is a value of the wrong shape; expected 1 to 8/
      expect(() => read(text)).toThrow(line)
      expect(() => read(text)).toThrow(expect.objectContaining({ name: 'ConfigError' }))
    },
  )
})

describe('master keys in files', () => {
  const former = Buffer.from(Array.from({ length: 32 }, (_, i) => 32 - i)).toString('base64')
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'signalbox-keys-'))))
  afterEach(() => rmSync(folder, { recursive: true }))
  const keep = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  it('are those of the files, with or without a line end', () => {
    const read = readMasterKeys({
      SIGNALBOX_MASTER_KEY_FILE: keep('key', `${KEY}\n`),
      SIGNALBOX_MASTER_KEY_PREVIOUS_FILE: keep('former', former),
    })
    const all = [read.masterKey, ...read.previousMasterKeys]
    expect(all.map((key) => Buffer.from(key).toString('base64'))).toEqual([KEY, former])
    const other = { SIGNALBOX_MASTER_KEY: KEY, SIGNALBOX_MASTER_KEY_PREVIOUS_FILE: keep('p', KEY) }
    expect(readMasterKeys(other).previousMasterKeys).toEqual([])
  })

  it('are not both in the environment and in a file', () => {
    const both = { SIGNALBOX_MASTER_KEY: KEY, SIGNALBOX_MASTER_KEY_FILE: keep('key', KEY) }
    const line = 'SIGNALBOX_MASTER_KEY and SIGNALBOX_MASTER_KEY_FILE are both set; expected one'
    expect(() => readMasterKeys(both)).toThrow(line)
  })

  it('are refused where there is no such file, or no key in it, which is not shown', () => {
    const missing = join(folder, 'missing')
    expect(() => readMasterKeys({ SIGNALBOX_MASTER_KEY_FILE: missing })).toThrow(
      `SIGNALBOX_MASTER_KEY_FILE: cannot read ${missing} (ENOENT)`,
    )
    const wrong = keep('wrong', 'hunter2')
    expect(() => readMasterKeys({ SIGNALBOX_MASTER_KEY_FILE: wrong })).toThrow(
      new RegExp(
        `^SIGNALBOX_MASTER_KEY_FILE: ${wrong} does not hold 32 bytes as base64 [^2]*32\\)$`,
      ),
    )
    const previous = { SIGNALBOX_MASTER_KEY: KEY, SIGNALBOX_MASTER_KEY_PREVIOUS_FILE: wrong }
    expect(() => readMasterKeys(previous)).toThrow(/PREVIOUS_FILE: .* does not hold 1 to 8 former/)
    expect(() => readMasterKeys({ SIGNALBOX_MASTER_KEY_FILE: '' })).toThrow(
      /is ""; expected a file/,
    )
  })
})

describe('readMetricsAccess', () => {
  const name = { SIGNALBOX_METRICS_USERNAME: 'prometheus' }
  const password = { SIGNALBOX_METRICS_PASSWORD: 'hunter2' }

  it('opens the metrics to all where nothing is said', () => {
    expect(readMetricsAccess({})).toEqual({ enabled: true, credentials: null })
  })

  it('closes them, or asks for name and password', () => {
    expect(readMetricsAccess({ SIGNALBOX_METRICS: 'off' }).enabled).toBe(false)
    expect(readMetricsAccess({ SIGNALBOX_METRICS: 'on', ...name, ...password })).toEqual({
      enabled: true,
      credentials: { username: 'prometheus', password: 'hunter2' },
    })
  })

  it('refuses one of the two without the other, and names the one that is missing', () => {
    const line = (missing: string) =>
      `${missing} is not set; set both name and password, or neither`
    const missing = (env: Env) => expect(() => readMetricsAccess(env))
    missing(name).toThrow(expect.objectContaining({ message: line('SIGNALBOX_METRICS_PASSWORD') }))
    missing(password).toThrow(
      expect.objectContaining({ message: line('SIGNALBOX_METRICS_USERNAME') }),
    )
  })

  it('refuses what is neither on nor off, and an empty password', () => {
    expect(() => readMetricsAccess({ SIGNALBOX_METRICS: 'yes' })).toThrow(
      'SIGNALBOX_METRICS is "yes"; expected on or off',
    )
    expect(() => readMetricsAccess({ ...name, SIGNALBOX_METRICS_PASSWORD: '' })).toThrow(
      'SIGNALBOX_METRICS_PASSWORD is a value of the wrong shape; expected a password',
    )
  })
})
