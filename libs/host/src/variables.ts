import { readFileSync } from 'node:fs'
import {
  ConfigError,
  type Env,
  nonEmpty,
  type Parse,
  readVariable,
  requireVariable,
  type Variable,
  wholeNumber,
} from './env.ts'
import { type MetricsAccess } from './ops.ts'
import { keyIdOf, MASTER_KEY_BYTES, type MasterKeys } from './seal.ts'

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const LABELS_MAX = 64
const WORKERS_MAX = 64

/** "500ms", "30s", "5m", "1h" as milliseconds; a bare number is seconds. */
export const parseDurationMs: Parse<number> = (text) => {
  const match = /^(\d{1,7})(ms|s|m|h)?$/.exec(text)
  return match ? Number(match[1]) * (UNITS_MS[match[2] ?? 's'] ?? NaN) : undefined
}

/** "zone=a,tier=gold" as a record. */
export const parseLabels: Parse<Readonly<Record<string, string>>> = (text) => {
  const pairs = text.split(',').map((part) => /^\s*([A-Za-z0-9._/-]+)=([^,=]*)\s*$/.exec(part))
  if (pairs.length > LABELS_MAX || pairs.some((pair) => pair === null)) return undefined
  return Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]?.trim()]))
}

export const FLEET_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_FLEET',
  shape: '1 to 31 lower-case letters, digits and dashes',
  parse: (text) => (/^[a-z0-9][a-z0-9-]{0,30}$/.test(text) ? text : undefined),
}

const parseMasterKey: Parse<Uint8Array> = (text) => {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  const varied = new Set(bytes).size > 1
  return bytes.length === MASTER_KEY_BYTES && varied ? bytes : undefined
}

export const MASTER_KEY_VARIABLE: Variable<Uint8Array> = {
  name: 'SIGNALBOX_MASTER_KEY',
  shape: '32 bytes as base64 (openssl rand -base64 32)',
  secret: true,
  parse: parseMasterKey,
}

const PREVIOUS_KEYS_MAX = 8
export const PREVIOUS_MASTER_KEY_VARIABLE: Variable<readonly Uint8Array[]> = {
  name: 'SIGNALBOX_MASTER_KEY_PREVIOUS',
  shape: `1 to ${PREVIOUS_KEYS_MAX} former master keys by commas, 32 bytes as base64 each`,
  secret: true,
  parse: (text) => {
    const keys = text.split(',').map((part) => parseMasterKey(part.trim()))
    const good = keys.filter((key) => key !== undefined)
    return good.length === keys.length && keys.length <= PREVIOUS_KEYS_MAX ? good : undefined
  },
}

export const MASTER_KEY_FILE_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_MASTER_KEY_FILE',
  shape: 'a file that holds the master key',
  parse: nonEmpty,
}
export const PREVIOUS_MASTER_KEY_FILE_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_MASTER_KEY_PREVIOUS_FILE',
  shape: 'a file that holds the former master keys',
  parse: nonEmpty,
}

export const DATA_DIR_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_DATA_DIR',
  shape: 'a directory',
  parse: nonEmpty,
}

export const WORKERS_VARIABLE: Variable<number | 'auto'> = {
  name: 'SIGNALBOX_WORKERS',
  shape: '1 to 64, or auto',
  parse: (text) => (text === 'auto' ? text : wholeNumber({ min: 1, max: WORKERS_MAX })(text)),
}
/** How many workers one process is to have. `auto`: one for each core this process may use. */
export function readWorkers(env: Env, cores: number): number {
  const workers = readVariable(env, WORKERS_VARIABLE) ?? 1
  return workers === 'auto' ? Math.min(WORKERS_MAX, Math.max(1, cores)) : workers
}

const METRICS_VARIABLE: Variable<boolean> = {
  name: 'SIGNALBOX_METRICS',
  shape: 'on or off',
  parse: (text) => (text === 'on' ? true : text === 'off' ? false : undefined),
}

const METRICS_USERNAME_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_METRICS_USERNAME',
  shape: 'a name',
  parse: nonEmpty,
}

const METRICS_PASSWORD_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_METRICS_PASSWORD',
  shape: 'a password that is not empty',
  secret: true,
  parse: nonEmpty,
}

export const DEFAULT_FLEET = 'default'
export const DEFAULT_DATA_DIR = '.signalbox'

/** The fleet that a process belongs to. */
export function readFleet(env: Env): string {
  return readVariable(env, FLEET_VARIABLE) ?? DEFAULT_FLEET
}

/**
 * The key that seals, and those that only open: the same one twice is one. Each is in its variable,
 * or in the file that another one names: what is in the environment of a process is easily shown.
 */
export function readMasterKeys(env: Env): Required<MasterKeys> {
  const masterKey =
    readFrom(env, { file: MASTER_KEY_FILE_VARIABLE, variable: MASTER_KEY_VARIABLE }) ??
    requireVariable(env, MASTER_KEY_VARIABLE)
  const ids = new Set([keyIdOf(masterKey)])
  const former = readFrom(env, {
    file: PREVIOUS_MASTER_KEY_FILE_VARIABLE,
    variable: PREVIOUS_MASTER_KEY_VARIABLE,
  })
  const previousMasterKeys = (former ?? []).filter(
    (key) => !ids.has(keyIdOf(key)) && ids.add(keyIdOf(key)),
  )
  return { masterKey, previousMasterKeys }
}

/** The value of a variable, or of the file that another one names in its stead. */
function readFrom<Value>(
  env: Env,
  { file, variable }: { readonly file: Variable<string>; readonly variable: Variable<Value> },
): Value | undefined {
  const path = readVariable(env, file)
  if (path === undefined) return readVariable(env, variable)
  if (env[variable.name] !== undefined) {
    throw new ConfigError(`${variable.name} and ${file.name} are both set; expected one of them`)
  }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new ConfigError(`${file.name}: cannot read ${path} (${code})`)
  }
  const value = variable.parse(text.trim())
  if (value !== undefined) return value
  throw new ConfigError(`${file.name}: ${path} does not hold ${variable.shape}`)
}

/** Who may read /metrics. A name without a password, or the reverse, stops the start. */
export function readMetricsAccess(env: Env): MetricsAccess {
  const enabled = readVariable(env, METRICS_VARIABLE) ?? true
  const username = readVariable(env, METRICS_USERNAME_VARIABLE)
  const password = readVariable(env, METRICS_PASSWORD_VARIABLE)
  if ((username === undefined) !== (password === undefined)) {
    const missing = username === undefined ? METRICS_USERNAME_VARIABLE : METRICS_PASSWORD_VARIABLE
    throw new ConfigError(`${missing.name} is not set; set both name and password, or neither`)
  }
  const given = username !== undefined && password !== undefined
  return { enabled, credentials: given ? { username, password } : null }
}
