import { type Heartbeat, type StatusTable, USAGE_BYTES_MAX } from '@signalbox/model'
import { gzipSync } from 'node:zlib'
import { REVISION_BYTES_MAX, REVISION_TEXT_BYTES_MAX } from '../bus.ts'
import { TestLog } from '../test-log.harness.ts'
import { subjectsOf } from './subjects.ts'
import {
  JSON_BYTES_MAX,
  readHead,
  readHeartbeat,
  readRevision,
  readStatusTable,
  readUsage,
  revisionHeaders,
  revisionPayload,
  splitStatusTable,
  usageHeaders,
} from './wire.ts'

const bytes = (text: string) => Buffer.from(text, 'utf8')
const json = (value: unknown) => bytes(JSON.stringify(value))

describe('a revision on the wire', () => {
  const message = new TestLog().append()

  it('reads back as it was, to the byte', () => {
    const body = '\ufeff{"a":"é\u2028"}'
    const sent = { ...message, body }
    expect(readRevision({ headers: revisionHeaders(sent), data: bytes(body) })).toEqual(sent)
  })

  it('brings data keys along, and is dropped where they are none', () => {
    const sent = { ...message, dataKeys: { k1: 'key.AAAA' } }
    const headers = revisionHeaders(sent)
    const data = bytes(message.body)
    expect(readRevision({ headers, data })).toEqual(sent)
    for (const wrong of ['{', '[]', 'null', '{"k1":1}', '"k1"']) {
      headers.set('Sb-Data-Keys', wrong)
      expect(readRevision({ headers, data })).toBeUndefined()
    }
  })

  it.each([
    ['no lineage', { lineage: '' }],
    ['a lineage that is too long', { lineage: 'x'.repeat(1_000) }],
    ['no hash', { hash: '' }],
    ['a hash in capitals', { hash: message.hash.toUpperCase().replace(/^./, 'A') }],
    ['a previous hash that is short', { previousHash: 'ab' }],
    ['an epoch that is no number', { epoch: Number.NaN }],
    ['a negative revision', { revision: -1 }],
  ])('is refused with %s', (_what, wrong) => {
    const headers = revisionHeaders({ ...message, ...wrong })
    expect(readRevision({ headers, data: bytes(message.body) })).toBeUndefined()
  })

  it('is compressed where it is large, and reads back as it was', () => {
    const large = { ...message, body: 'a large body '.repeat(10_000) }
    const { data, headers } = revisionPayload(large)
    expect(data.length).toBeLessThan(5_000)
    expect(readRevision({ headers, data })).toEqual(large)
    const plain = revisionPayload(message)
    expect(Buffer.from(plain.data).toString()).toBe(message.body)
  })

  it('is refused where it does not open, opens to too much, or is encoded in another way', () => {
    const { headers } = revisionPayload({ ...message, body: 'x'.repeat(100_000) })
    expect(readRevision({ headers, data: bytes('no gzip') })).toBeUndefined()
    const bomb = gzipSync(Buffer.alloc(REVISION_TEXT_BYTES_MAX + 1))
    expect(bomb.length).toBeLessThan(REVISION_BYTES_MAX)
    expect(readRevision({ headers, data: bomb })).toBeUndefined()
    headers.set('Sb-Encoding', 'zstd')
    expect(readRevision({ headers, data: bytes(message.body) })).toBeUndefined()
  })

  it('is refused without headers, with broken UTF-8 and with too many bytes', () => {
    const headers = revisionHeaders(message)
    expect(readRevision({ data: bytes(message.body) })).toBeUndefined()
    expect(readRevision({ headers, data: Uint8Array.of(0xff) })).toBeUndefined()
    const large = new Uint8Array(REVISION_BYTES_MAX + 1).fill(0x20)
    expect(readRevision({ headers, data: large })).toBeUndefined()
  })
})

describe('a beacon on the wire', () => {
  const { head } = new TestLog().appendMany(1)

  it('reads back as it was', () => {
    expect(readHead(json(head))).toEqual(head)
  })

  it.each([[null], [[]], [{}], [{ ...head, revision: '1' }], [{ ...head, hash: 'x' }]])(
    'is refused as %j',
    (wrong) => {
      expect(readHead(json(wrong))).toBeUndefined()
    },
  )
})

describe('a heartbeat on the wire', () => {
  const counts = {
    ...{ release: 'release-7', stage: 0, cohort: true, requests: 5, firstByteMs: 80 },
    errors: { failed: 1, refused: 0, unrouted: 2, limited: 0 },
    firstBytes: [1, 0, 0, 0, 0, 0, 0, 0, 0, 3],
  }
  const beat: Heartbeat = {
    id: 'p',
    role: 'probe',
    labels: { a: 'b' },
    version: '1',
    lineage: '',
    epoch: 0,
    received: 0,
    active: 0,
    state: 'cold',
    nacks: [],
    load: null,
    sentAtMs: 0,
  }

  it('reads back as it was', () => {
    expect(readHeartbeat(json(beat))).toEqual(beat)
    const load = { requestsTotal: 1, inFlight: 0, rssBytes: 2, release: counts }
    expect(readHeartbeat(json({ ...beat, load }))).toEqual({ ...beat, load })
  })

  it.each([
    { role: 'admin' },
    { state: 'odd' },
    { labels: { a: 1 } },
    { labels: null },
    { received: -1 },
    { nacks: {} },
    { nacks: [{ revision: 1 }] },
    { load: { rssBytes: 'many' } },
    { load: { rssBytes: 1, release: {} } },
    { load: { rssBytes: 1, release: { ...counts, requests: -1 } } },
    { load: 7 },
    { id: 1 },
  ])('is refused with %j', (wrong) => {
    expect(readHeartbeat(json({ ...beat, ...wrong }))).toBeUndefined()
  })
})

describe('a status table on the wire', () => {
  const status = (backend: string): StatusTable['statuses'][number] => ({
    backend,
    health: 'ready',
    sinceMs: 1,
    checkedAtMs: 1,
    latencyMs: 1.5,
    error: null,
    models: null,
    revision: 1,
    observer: 'o',
  })

  it('reads back as it was, an empty one too', () => {
    for (const statuses of [[], [status('a'), status('b')]]) {
      const [part = ''] = splitStatusTable({ observer: 'o', statuses }, JSON_BYTES_MAX)
      expect(readStatusTable(bytes(part))).toEqual({ observer: 'o', statuses })
    }
  })

  it('may say that its probe leaves, and nothing else in that place', () => {
    const table = { observer: 'o', statuses: [], leaving: true }
    const [part = ''] = splitStatusTable(table, JSON_BYTES_MAX)
    expect(readStatusTable(bytes(part))).toEqual(table)
    expect(readStatusTable(json({ ...table, leaving: 'yes' }))).toBeUndefined()
  })

  it('is split so that no part is too large and nothing is lost', () => {
    const statuses = Array.from({ length: 50 }, (_, i) => status(`backend-é-${i}`))
    const parts = splitStatusTable({ observer: 'o', statuses }, 1_000)
    expect(parts.length).toBeGreaterThan(5)
    expect(parts.filter((part) => Buffer.byteLength(part) > 1_000)).toEqual([])
    const read = parts.flatMap((part) => readStatusTable(bytes(part))?.statuses ?? [])
    expect(read).toEqual(statuses)
  })

  it.each([
    { health: 'fine' },
    { models: [1] },
    { latencyMs: '1' },
    { backend: null },
    { sinceMs: 1e300 },
  ])('is refused with %j', (wrong) => {
    const table = { observer: 'o', statuses: [{ ...status('a'), ...wrong }] }
    expect(readStatusTable(json(table))).toBeUndefined()
  })
})

describe('subjects', () => {
  it('are those of the contract', () => {
    const subjects = subjectsOf('edge-1')
    expect(subjects.stream).toBe('SB_EDGE-1_CONFIG')
    expect(subjects.revision(7)).toBe('sb.edge-1.config.revision.7')
    expect(subjects.heartbeat('p1')).toBe('sb.edge-1.proxy.p1.ack')
  })

  it('keep a name one token, and two names two', () => {
    const { heartbeat } = subjectsOf('f')
    const names = ['a.b', 'a b', 'a*b', 'a>b', 'a=b', 'a_b', '']
    const tokens = names.map((name) => heartbeat(name))
    expect(new Set(tokens).size).toBe(names.length)
    expect(
      tokens.filter((subject) => !/^sb\.f\.proxy\.[A-Za-z0-9_=-]+\.ack$/.test(subject)),
    ).toEqual([])
  })
})

describe('a batch of usage on the wire', () => {
  const batch = { proxy: 'p', id: 'boot-1', text: '{"é":1}\n' }
  const sent = { headers: usageHeaders(batch), data: bytes(batch.text) }

  it('reads back as it was', () => {
    expect(readUsage(sent)).toEqual(batch)
  })

  it.each([
    ['nobody', { headers: usageHeaders({ ...batch, proxy: '' }) }],
    ['no batch', { headers: undefined }],
    ['names that are too long', { headers: usageHeaders({ ...batch, id: 'x'.repeat(255) }) }],
    ['text that is none', { data: Buffer.from([0xff]) }],
    ['text that is too long', { data: Buffer.alloc(USAGE_BYTES_MAX + 1, 32) }],
  ])('is refused as of %s', (_, wrong) => {
    expect(readUsage({ ...sent, ...wrong })).toBeUndefined()
  })
})
