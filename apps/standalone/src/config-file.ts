import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import {
  type ConfigDocument,
  importContinuum,
  readConfigDocument,
  type Unmapped,
} from '@signalbox/control'
import { ConfigError, type Env } from '@signalbox/host'
import { type FieldProblem } from '@signalbox/model'
import { parse as parseToml } from 'smol-toml'
import { parse as parseYaml } from 'yaml'

/** What `--config` names: what is configured, how processes run, and what has no place. */
export interface ConfigFile {
  readonly path: string
  readonly document: ConfigDocument
  /** Settings of processes; the environment's own win. */
  readonly env: Env
  readonly unmapped: readonly Unmapped[]
}

/**
 * Reads a file: a document of ours (backends, routes and policies by id), or the configuration of
 * the router that Signalbox takes over from (docs/import.md). Throws ConfigError that names all
 * that is wrong.
 */
export function readConfigFile(path: string, env: Env): ConfigFile {
  const input = parse(path)
  if (isOwn(input)) {
    const document = readConfigDocument(input)
    if (!document.ok) throw problemsIn(path, document.error)
    return { path, document: document.value, env: {}, unmapped: [] }
  }
  const imported = importContinuum(input, env)
  if (!imported.ok) throw problemsIn(path, imported.error)
  const settings = processSettings(input)
  const isSetting = (path: string) =>
    settings.paths.some((one) => path === one || path.startsWith(`${one}.`))
  const unmapped = imported.value.unmapped.filter(({ path: one }) => !isSetting(one))
  return { path, document: imported.value.config, env: settings.env, unmapped }
}

/** One line a problem, below the file's name. */
export function problemsIn(path: string, problems: readonly FieldProblem[]): ConfigError {
  const lines = problems.map((problem) => `\n  ${problem.path}: ${problem.message}`)
  return new ConfigError(`${path} is not valid:${lines.join('')}`)
}

function parse(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError(`--config ${path} cannot be read (${code}); name a YAML or TOML file`)
  }
  try {
    return extname(path) === '.toml' ? parseToml(text) : (parseYaml(text) as unknown)
  } catch (error) {
    const [message = ''] = (error instanceof Error ? error.message : '').split('\n')
    throw new ConfigError(`${path} is not valid: ${message}`)
  }
}

function isOwn(input: unknown): boolean {
  const document = Object(input) as Readonly<Record<string, unknown>>
  const keyed = ['backends', 'routes', 'policies'].map((name) => document[name])
  return keyed.some((specs) => typeof specs === 'object' && specs !== null && !Array.isArray(specs))
}

type Values = Readonly<Record<string, unknown>>

/** Which variable says what a foreign key says; undefined where the value does not fit. */
const SETTINGS: readonly {
  readonly path: string
  readonly variable: string
  readonly of: (value: unknown, all: Values) => string | undefined
}[] = [
  { path: 'server.bind_address', variable: 'SIGNALBOX_PROXY_LISTEN', of: textsOf },
  {
    path: 'server.socket_path',
    variable: 'SIGNALBOX_PROXY_LISTEN',
    of: (value) => (typeof value === 'string' ? `unix:${value}` : undefined),
  },
  { path: 'logging.level', variable: 'SIGNALBOX_LOG', of: textOf },
  {
    path: 'metrics.enabled',
    variable: 'SIGNALBOX_METRICS',
    of: (value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : undefined),
  },
  { path: 'metrics.auth.username', variable: 'SIGNALBOX_METRICS_USERNAME', of: ifAuth },
  { path: 'metrics.auth.password', variable: 'SIGNALBOX_METRICS_PASSWORD', of: ifAuth },
]

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** One, or a list: Signalbox has several behind commas. */
function textsOf(value: unknown): string | undefined {
  if (!Array.isArray(value)) return textOf(value)
  return value.length > 0 && value.every((one) => typeof one === 'string')
    ? value.join(',')
    : undefined
}

function ifAuth(value: unknown, all: Values): string | undefined {
  return at(all, 'metrics.auth.enabled') === false ? undefined : textOf(value)
}

function processSettings(input: unknown): { env: Env; paths: readonly string[] } {
  const all = Object(input) as Values
  const found = SETTINGS.flatMap(({ path, variable, of }) => {
    const value = of(at(all, path), all)
    return value === undefined ? [] : [{ path, variable, value }]
  })
  // An address and a socket are both listened on.
  const byVariable = Map.groupBy(found, ({ variable }) => variable)
  const env = Object.fromEntries(
    [...byVariable].map(([variable, all]) => [variable, all.map(({ value }) => value).join(',')]),
  )
  const paths = found.map(({ path }) => path)
  return { env, paths: paths.length > 0 ? [...paths, 'metrics.auth.enabled'] : paths }
}

function at(all: Values, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (Object(value) as Values)[name], all)
}
