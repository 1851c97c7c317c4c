import { headers, type MsgHdrs } from '@nats-io/transport-node'
import {
  FOLLOWER_STATES,
  type Head,
  type Heartbeat,
  isReleaseCounts,
  type LeaseReport,
  type Load,
  readLeaseReport,
  readSpending,
  type RevisionMessage,
  type Spending,
  type StatusTable,
  USAGE_BYTES_MAX,
} from '@signalbox/model'
import { type UsageBatch } from '../bus.ts'
import { decodeBody, encodeBody } from '../encode.ts'

/*
 * What travels, and its reading back. Whoever may publish may publish anything: each reader answers
 * undefined for what is not whole, and the caller counts it and drops it.
 */

const LINEAGE = 'Sb-Lineage'
const EPOCH = 'Sb-Epoch'
const REVISION = 'Sb-Revision'
const PREVIOUS_HASH = 'Sb-Previous-Hash'
const HASH = 'Sb-Hash'
const ENCODING = 'Sb-Encoding'
const DATA_KEYS = 'Sb-Data-Keys'
const GZIP = 'gzip'
const PROXY = 'Sb-Proxy'
const BATCH = 'Sb-Batch'

const HASH_FORM = /^[0-9a-f]{64}$/
const NUMBER_FORM = /^\d{1,15}$/
const LINEAGE_CHARS_MAX = 128
const BATCH_CHARS_MAX = 255
/** What a heartbeat, a beacon or a part of a status table may have. */
export const JSON_BYTES_MAX = 512 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

interface Received {
  readonly headers?: MsgHdrs | undefined
  readonly data: Uint8Array
}

export function revisionHeaders(message: RevisionMessage): MsgHdrs {
  const all = headers()
  all.set(LINEAGE, message.lineage)
  all.set(EPOCH, String(message.epoch))
  all.set(REVISION, String(message.revision))
  all.set(PREVIOUS_HASH, message.previousHash)
  all.set(HASH, message.hash)
  if (message.dataKeys) all.set(DATA_KEYS, JSON.stringify(message.dataKeys))
  return all
}

/** A revision as it is published. */
export function revisionPayload(message: RevisionMessage): { data: Uint8Array; headers: MsgHdrs } {
  const { data, gzip } = encodeBody(message.body)
  const all = revisionHeaders(message)
  if (gzip) all.set(ENCODING, GZIP)
  return { data, headers: all }
}

export function readRevision(received: Received): RevisionMessage | undefined {
  const header = (name: string) => received.headers?.get(name) ?? ''
  const lineage = header(LINEAGE)
  const hash = header(HASH)
  const previousHash = header(PREVIOUS_HASH)
  const numbers = [header(EPOCH), header(REVISION)]
  if (lineage === '' || lineage.length > LINEAGE_CHARS_MAX) return undefined
  if (!HASH_FORM.test(hash) || !HASH_FORM.test(previousHash)) return undefined
  if (!numbers.every((text) => NUMBER_FORM.test(text))) return undefined
  const encoding = header(ENCODING)
  if (encoding !== '' && encoding !== GZIP) return undefined
  const clear = decodeBody({ data: received.data, gzip: encoding === GZIP })
  const body = clear && decodeText(clear, clear.length)
  if (body === undefined) return undefined
  const [epoch = 0, revision = 0] = numbers.map(Number)
  const message = { lineage, epoch, revision, previousHash, hash, body }
  const keys = header(DATA_KEYS)
  if (keys === '') return message
  const dataKeys = parse(Buffer.from(keys, 'utf8'))
  return isRecordOf(dataKeys, isText) ? { ...message, dataKeys } : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export function readHead(bytes: Uint8Array): Head | undefined {
  const head = parse(bytes) as Partial<Head> | undefined
  return isHead(head) ? head : undefined
}

export function isHead(head: Partial<Head> | undefined | null): head is Head {
  return (
    typeof head?.lineage === 'string' &&
    isCount(head.epoch) &&
    isCount(head.revision) &&
    typeof head.hash === 'string' &&
    HASH_FORM.test(head.hash)
  )
}

export function readHeartbeat(bytes: Uint8Array): Heartbeat | undefined {
  const beat = parse(bytes) as Partial<Heartbeat> | undefined
  const texts = [beat?.id, beat?.version, beat?.lineage]
  if (!beat || !texts.every((text) => typeof text === 'string')) return undefined
  if (beat.role !== 'proxy' && beat.role !== 'probe') return undefined
  if (!beat.state || !FOLLOWER_STATES.includes(beat.state)) return undefined
  const { epoch, received, active, sentAtMs, labels, load } = beat
  if (![epoch, received, active, sentAtMs].every(isCount)) return undefined
  if (!isRecordOf(labels, (value) => typeof value === 'string')) return undefined
  if (load !== null && !isLoad(load)) return undefined
  if (!Array.isArray(beat.nacks) || !beat.nacks.every(isNack)) return undefined
  return beat as Heartbeat
}

function isLoad(load: unknown): boolean {
  if (typeof load !== 'object' || load === null) return false
  const { release, ...counts } = load as Partial<Load>
  return isRecordOf(counts, isCount) && (release === undefined || isReleaseCounts(release))
}

function isNack(nack: unknown): boolean {
  if (!isRecordOf(nack, (value) => typeof value === 'string' || isCount(value))) return false
  return ['resource', 'id', 'code', 'message'].every((key) => typeof nack[key] === 'string')
}

export function readLeases(bytes: Uint8Array): LeaseReport | undefined {
  return readLeaseReport(parse(bytes))
}

export function readSpendingOf(bytes: Uint8Array): Spending | undefined {
  return readSpending(parse(bytes))
}

export function readStatusTable(bytes: Uint8Array): StatusTable | undefined {
  const table = parse(bytes) as Partial<StatusTable> | undefined
  if (typeof table?.observer !== 'string' || !Array.isArray(table.statuses)) return undefined
  if (table.leaving !== undefined && typeof table.leaving !== 'boolean') return undefined
  return table.statuses.every(isStatus) ? (table as StatusTable) : undefined
}

const HEALTHS: readonly unknown[] = ['ready', 'warming_up', 'down', 'unknown']

function isStatus(value: unknown): boolean {
  const status = value as Partial<StatusTable['statuses'][number]> | null
  return (
    typeof status?.backend === 'string' &&
    typeof status.observer === 'string' &&
    HEALTHS.includes(status.health) &&
    [status.sinceMs, status.checkedAtMs].every(isTime) &&
    isCount(status.revision) &&
    (status.latencyMs === null || typeof status.latencyMs === 'number') &&
    (status.error === null || typeof status.error === 'string') &&
    (status.models === null || isTexts(status.models))
  )
}

/** A table in parts of at most `bytesMax` each: a broker refuses larger messages. */
export function splitStatusTable(table: StatusTable, bytesMax: number): readonly string[] {
  const leaving = table.leaving ? '"leaving":true,' : ''
  const open = `{"observer":${JSON.stringify(table.observer)},${leaving}"statuses":[`
  const parts: string[] = []
  let items: string[] = []
  let bytes = 0
  for (const status of table.statuses) {
    const item = JSON.stringify(status)
    const itemBytes = Buffer.byteLength(item) + 1
    if (items.length > 0 && bytes + itemBytes + open.length > bytesMax) {
      parts.push(`${open}${items.join(',')}]}`)
      items = []
      bytes = 0
    }
    items.push(item)
    bytes += itemBytes
  }
  parts.push(`${open}${items.join(',')}]}`)
  return parts
}

/** The headers of a batch of usage; its text is the payload. */
export function usageHeaders({ proxy, id }: UsageBatch): MsgHdrs {
  const all = headers()
  all.set(PROXY, proxy)
  all.set(BATCH, id)
  return all
}

export function readUsage(received: Received): UsageBatch | undefined {
  const [proxy = '', id = ''] = [PROXY, BATCH].map((name) => received.headers?.get(name) ?? '')
  const text = decodeText(received.data, USAGE_BYTES_MAX)
  if (proxy === '' || id === '' || text === undefined) return undefined
  return proxy.length + id.length > BATCH_CHARS_MAX ? undefined : { proxy, id, text }
}

function parse(bytes: Uint8Array): object | undefined {
  const text = decodeText(bytes, JSON_BYTES_MAX)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function decodeText(bytes: Uint8Array, bytesMax: number): string | undefined {
  if (bytes.length > bytesMax) return undefined
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** What a Date can hold: of anything more a reader could make no text. */
function isTime(value: unknown): boolean {
  return isCount(value) && Number(value) <= 8.64e15
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isRecordOf<Member = unknown>(
  value: unknown,
  holds: ((member: unknown) => boolean) | ((member: unknown) => member is Member),
): value is Record<string, Member> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every(holds)
}
