import {
  ConfigError,
  createLog,
  type Env,
  LISTEN_SHAPE,
  type ListenAddress,
  type Log,
  LOG_VARIABLE,
  type MasterKeys,
  type MetricsAccess,
  parseListen,
  readFleet,
  readMasterKeys,
  readMetricsAccess,
  readVariable,
  requireVariable,
  type Variable,
  wholeNumber,
} from '@signalbox/host'
import { type Role } from '@signalbox/model'

export interface AdminConfig extends MasterKeys {
  readonly fleet: string
  readonly listen: ListenAddress
  readonly tokens: Readonly<Partial<Record<Role, string>>>
  readonly metricsAccess: MetricsAccess
  /** Days that records of requests are kept. */
  readonly usageRetentionDays: number
}

const TOKEN_LENGTH_MIN = 16
const token = (name: string): Variable<string> => ({
  name,
  shape: `at least ${TOKEN_LENGTH_MIN} visible characters, not a well-known one`,
  secret: true,
  parse: (text) => (isStrong(text) ? text : undefined),
})

export const ADMIN_LISTEN: Variable<ListenAddress> = {
  name: 'SIGNALBOX_ADMIN_LISTEN',
  shape: LISTEN_SHAPE,
  parse: parseListen,
}
const ADMIN_TOKEN = token('SIGNALBOX_ADMIN_TOKEN')
const OPERATOR_TOKEN = token('SIGNALBOX_OPERATOR_TOKEN')
const VIEWER_TOKEN = token('SIGNALBOX_VIEWER_TOKEN')
export const DATABASE_URL: Variable<string> = {
  name: 'SIGNALBOX_DATABASE_URL',
  shape: 'postgresql://user:password@host:port/database',
  secret: true,
  parse: (text) => (/^postgres(ql)?:\/\/\S+$/.test(text) && URL.canParse(text) ? text : undefined),
}
const USAGE_RETENTION: Variable<number> = {
  name: 'SIGNALBOX_USAGE_RETENTION_DAYS',
  shape: 'days, 1 to 3650',
  parse: wholeNumber({ min: 1, max: 3_650 }),
}
const DEFAULT_USAGE_RETENTION_DAYS = 30
const DEFAULT_LISTEN = { kind: 'tcp', host: '127.0.0.1', port: 8081 } as const

/** What examples and templates put where a secret belongs. */
const WELL_KNOWN = /change.?me|replace.?me|your.?token|pass.?word|example|0123456789abcdef/i

function isStrong(text: string): boolean {
  const varied = new Set(text).size >= TOKEN_LENGTH_MIN / 4
  const visible = /^[\x21-\x7e]+$/.test(text)
  return text.length >= TOKEN_LENGTH_MIN && visible && varied && !WELL_KNOWN.test(text)
}

/** Reads the environment. Throws ConfigError for the first variable that is wrong. */
export function readAdminConfig(env: Env): AdminConfig {
  const operator = readVariable(env, OPERATOR_TOKEN)
  const viewer = readVariable(env, VIEWER_TOKEN)
  const tokens = {
    admin: requireVariable(env, ADMIN_TOKEN),
    ...(operator === undefined ? {} : { operator }),
    ...(viewer === undefined ? {} : { viewer }),
  }
  if (new Set(Object.values(tokens)).size < Object.keys(tokens).length) {
    throw new ConfigError(`${ADMIN_TOKEN.name} and the tokens of the other roles must differ`)
  }
  return {
    fleet: readFleet(env),
    listen: readVariable(env, ADMIN_LISTEN) ?? DEFAULT_LISTEN,
    tokens,
    ...readMasterKeys(env),
    metricsAccess: readMetricsAccess(env),
    usageRetentionDays: readVariable(env, USAGE_RETENTION) ?? DEFAULT_USAGE_RETENTION_DAYS,
  }
}

export function readDatabaseUrl(env: Env): string | undefined {
  return readVariable(env, DATABASE_URL)
}

export function requireDatabaseUrl(env: Env): string {
  return requireVariable(env, DATABASE_URL)
}

export function adminLog(env: Env): Log {
  return createLog(
    'admin',
    readVariable(env, LOG_VARIABLE) ?? { standard: 'info', byRoom: new Map() },
  )
}
