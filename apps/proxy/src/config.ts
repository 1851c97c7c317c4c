import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  ConfigError,
  createLog,
  DATA_DIR_VARIABLE,
  DEFAULT_DATA_DIR,
  type Env,
  LISTEN_SHAPE,
  type ListenAddress,
  type Log,
  LOG_VARIABLE,
  type MasterKeys,
  type MetricsAccess,
  parseDurationMs,
  parseLabels,
  parseListenList,
  readFleet,
  readMasterKeys,
  readMetricsAccess,
  readTracing,
  readVariable,
  type TracingConfig,
  type Variable,
  wholeNumber,
} from '@signalbox/host'

export interface ProxyConfig extends MasterKeys {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly fleet: string
  readonly listen: readonly ListenAddress[]
  /** Where the disk copy of the configuration lies. */
  readonly dataDir: string
  readonly bodyBytesMax: number
  /** Of a body that is passed on as it comes: files, images, sound. */
  readonly uploadBytesMax: number
  /** Bytes of records of requests that wait on disk at most. */
  readonly usageBytesMax: number
  /** Of answers that are kept in memory, all workers together. */
  readonly cacheBytesMax: number
  /** Where the fleet's proxies share answers; null: nowhere. */
  readonly redisUrl: string | null
  /** What a look there may cost a request. */
  readonly redisAnswerMs: number
  /** From when new requests are refused: the event loop is so late, the process so large. */
  readonly lagMsMax: number | null
  readonly memoryBytesMax: number | null
  readonly drainNoticeMs: number
  readonly drainDeadlineMs: number
  readonly metricsAccess: MetricsAccess
  /** Where traces are sent; null: there are none. */
  readonly tracing: TracingConfig | null
}

export const PROXY_LISTEN: Variable<readonly ListenAddress[]> = {
  name: 'SIGNALBOX_PROXY_LISTEN',
  shape: `${LISTEN_SHAPE}, several by commas`,
  parse: parseListenList,
}
const PROXY_ID: Variable<string> = {
  name: 'SIGNALBOX_PROXY_ID',
  shape: '1 to 63 letters, digits and . _ -',
  parse: (text) => (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text) ? text : undefined),
}
const PROXY_LABELS: Variable<Readonly<Record<string, string>>> = {
  name: 'SIGNALBOX_PROXY_LABELS',
  shape: 'name=value pairs by commas',
  parse: parseLabels,
}
const BODY_BYTES_MAX: Variable<number> = {
  name: 'SIGNALBOX_BODY_BYTES_MAX',
  shape: 'bytes, 1024 to 1073741824',
  parse: wholeNumber({ min: 1_024, max: 1_073_741_824 }),
}
const UPLOAD_BYTES_MAX: Variable<number> = {
  name: 'SIGNALBOX_UPLOAD_BYTES_MAX',
  shape: 'bytes, 1024 to 17179869184',
  parse: wholeNumber({ min: 1_024, max: 17_179_869_184 }),
}
const USAGE_BYTES_MAX: Variable<number> = {
  name: 'SIGNALBOX_USAGE_SPOOL_BYTES',
  shape: 'bytes, 0 to 17179869184',
  parse: wholeNumber({ min: 0, max: 17_179_869_184 }),
}
const CACHE_BYTES_MAX: Variable<number> = {
  name: 'SIGNALBOX_CACHE_BYTES',
  shape: 'bytes, 0 to 17179869184',
  parse: wholeNumber({ min: 0, max: 17_179_869_184 }),
}
const REDIS_URL: Variable<string> = {
  name: 'SIGNALBOX_REDIS_URL',
  shape: 'redis://host:port or rediss://host:port, with user, password and database where needed',
  parse: (text) => (isRedisUrl(text) ? text : undefined),
}
const duration = (name: string): Variable<number> => ({
  name,
  shape: 'a duration such as 500ms, 30s or 5m',
  parse: parseDurationMs,
})
const REDIS_TIMEOUT = duration('SIGNALBOX_REDIS_TIMEOUT')
/** Null: off. */
const LAG_MAX: Variable<number | null> = {
  name: 'SIGNALBOX_LAG_MAX',
  shape: 'a duration such as 500ms or 2s, or off',
  parse: (text) => (text === 'off' ? null : parseDurationMs(text)),
}
const MEMORY_MAX: Variable<number> = {
  name: 'SIGNALBOX_MEMORY_BYTES_MAX',
  shape: 'bytes, 67108864 to 1099511627776',
  parse: wholeNumber({ min: 67_108_864, max: 1_099_511_627_776 }),
}
const DRAIN_NOTICE = duration('SIGNALBOX_DRAIN_NOTICE')
const DRAIN_DEADLINE = duration('SIGNALBOX_DRAIN_DEADLINE')

const DEFAULT_LISTEN = [{ kind: 'tcp', host: '0.0.0.0', port: 8080 }] as const
const DEFAULT_BODY_BYTES_MAX = 33_554_432
/** As much as OpenAI takes for one file. */
const DEFAULT_UPLOAD_BYTES_MAX = 536_870_912
const DEFAULT_USAGE_BYTES_MAX = 67_108_864
const DEFAULT_CACHE_BYTES_MAX = 67_108_864
const DEFAULT_REDIS_ANSWER_MS = 25
const DEFAULT_LAG_MS_MAX = 2_000
const DEFAULT_DRAIN_NOTICE_MS = 1_000
const DEFAULT_DRAIN_DEADLINE_MS = 30_000
const SERVICE_NAME = 'signalbox-proxy'
const ID_BYTES = 3
const HOST_LENGTH_MAX = 48

/** Reads the environment. Throws ConfigError for the first variable that is wrong. */
export function readProxyConfig(env: Env): ProxyConfig {
  const dataDir = readVariable(env, DATA_DIR_VARIABLE) ?? DEFAULT_DATA_DIR
  return {
    labels: readVariable(env, PROXY_LABELS) ?? {},
    fleet: readFleet(env),
    listen: readVariable(env, PROXY_LISTEN) ?? DEFAULT_LISTEN,
    dataDir,
    ...readMasterKeys(env),
    bodyBytesMax: readVariable(env, BODY_BYTES_MAX) ?? DEFAULT_BODY_BYTES_MAX,
    uploadBytesMax: readVariable(env, UPLOAD_BYTES_MAX) ?? DEFAULT_UPLOAD_BYTES_MAX,
    usageBytesMax: readVariable(env, USAGE_BYTES_MAX) ?? DEFAULT_USAGE_BYTES_MAX,
    cacheBytesMax: readVariable(env, CACHE_BYTES_MAX) ?? DEFAULT_CACHE_BYTES_MAX,
    redisUrl: readVariable(env, REDIS_URL) ?? null,
    redisAnswerMs: readVariable(env, REDIS_TIMEOUT) ?? DEFAULT_REDIS_ANSWER_MS,
    ...readGuards(env),
    drainNoticeMs: readVariable(env, DRAIN_NOTICE) ?? DEFAULT_DRAIN_NOTICE_MS,
    drainDeadlineMs: readVariable(env, DRAIN_DEADLINE) ?? DEFAULT_DRAIN_DEADLINE_MS,
    metricsAccess: readMetricsAccess(env),
    tracing: readTracing(env, SERVICE_NAME),
    id: readVariable(env, PROXY_ID) ?? keptId(dataDir),
  }
}

function readGuards(env: Env): Pick<ProxyConfig, 'lagMsMax' | 'memoryBytesMax'> {
  const lagMsMax = readVariable(env, LAG_MAX)
  return {
    lagMsMax: lagMsMax === undefined ? DEFAULT_LAG_MS_MAX : lagMsMax,
    memoryBytesMax: readVariable(env, MEMORY_MAX) ?? null,
  }
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  try {
    // The client decodes them, and throws where that fails.
    decodeURIComponent(`${username}:${password}`)
  } catch {
    return false
  }
  return /^rediss?:$/.test(protocol)
}

export function proxyLog(env: Env): Log {
  return createLog(
    'proxy',
    readVariable(env, LOG_VARIABLE) ?? { standard: 'info', byRoom: new Map() },
  )
}

/** A name that survives restarts, so that the fleet view shows one proxy and not one a start. */
function keptId(dataDir: string): string {
  const path = join(dataDir, 'proxy-id')
  try {
    mkdirSync(dataDir, { recursive: true })
    // A file that is cut off, as a crash may leave it, is no name: then there is a new one.
    const kept = existsSync(path) && PROXY_ID.parse(readFileSync(path, 'utf8').trim())
    if (kept) return kept
    const made = `${hostName()}-${randomBytes(ID_BYTES).toString('hex')}`
    writeFileSync(path, `${made}\n`)
    return made
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code
    const { name } = DATA_DIR_VARIABLE
    throw new ConfigError(`the data directory ${dataDir} cannot be used (${cause}); set ${name}`)
  }
}

function hostName(): string {
  const name = hostname().replaceAll(/[^A-Za-z0-9.-]/g, '')
  return name.replace(/^[^A-Za-z0-9]+/, '').slice(0, HOST_LENGTH_MAX) || 'proxy'
}
