import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { nonEmpty, readVariable, type Variable } from '@signalbox/host'
import { usage } from './failure.ts'
import { type Io } from './io.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8081'
const DATA_DIR = '.signalbox'
const TOKEN_FILE = 'admin-token'
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

export interface GlobalOptions {
  readonly url?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly context?: string
  readonly json?: boolean
}

export interface Connection {
  readonly url: string
  readonly token: string | null
  /** Where the token came from, for people who look for it. Never the token. */
  readonly tokenFrom: string
}

const URL_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_URL',
  shape: 'the address of the admin API, such as http://127.0.0.1:8081',
  parse: nonEmpty,
}
const TOKEN_VARIABLE: Variable<string> = {
  name: 'SIGNALBOX_TOKEN',
  shape: 'a token of the admin API',
  secret: true,
  parse: nonEmpty,
}

interface NamedContext {
  readonly url?: string
  readonly tokenFile?: string
}

/** Which server and which token: flags, then --context, the environment, the file's `current`. */
export async function readConnection(options: GlobalOptions, io: Io): Promise<Connection> {
  const named = await readContext(options, io)
  const fromEnv = readVariable(io.env, URL_VARIABLE)
  const chosen = options.context !== undefined
  const implicit = !chosen && (options.url ?? fromEnv) !== undefined ? undefined : named
  const url = parseUrl(
    options.url ?? (chosen ? named?.url : fromEnv) ?? implicit?.url ?? DEFAULT_URL,
  )
  return { url: url.href.replace(/\/+$/, ''), ...readToken(options, io, { url, named: implicit }) }
}

export function isLoopback(url: URL): boolean {
  return LOOPBACK.test(url.hostname)
}

export function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw usage('the URL of the admin API is none', `Expected something like ${DEFAULT_URL}.`)
  }
  if (url.username !== '' || url.password !== '') {
    throw usage('the URL of the admin API holds a password', 'Give a token instead.')
  }
  return url
}

function readToken(
  { token, tokenFile, context }: GlobalOptions,
  io: Io,
  { url, named }: { readonly url: URL; readonly named: NamedContext | undefined },
): Omit<Connection, 'url'> {
  if (token !== undefined) return { token: token.trim(), tokenFrom: '--token' }
  if (tokenFile !== undefined) return tokenIn(resolve(io.cwd, tokenFile))
  const fromEnv = readVariable(io.env, TOKEN_VARIABLE)
  const named_ = named?.tokenFile === undefined ? undefined : expandHome(named.tokenFile, io)
  if (context !== undefined && named_ !== undefined) return tokenIn(named_)
  if (fromEnv !== undefined) return { token: fromEnv, tokenFrom: TOKEN_VARIABLE.name }
  if (named_ !== undefined) return tokenIn(named_)
  // The token of what runs here is nothing for a server somewhere else.
  const found = isLoopback(url) ? findToken(io) : undefined
  return found === undefined ? { token: null, tokenFrom: 'nowhere' } : tokenIn(found)
}

function tokenIn(path: string): Omit<Connection, 'url'> {
  try {
    const token = readFileSync(path, 'utf8').trim()
    if (token !== '' && !/\s/.test(token)) return { token, tokenFrom: path }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
    throw usage(`the token file ${path} cannot be read (${code})`, 'Name another: --token-file.')
  }
  throw usage(`the token file ${path} does not hold one token`, 'Name another: --token-file.')
}

/** `npm start` keeps it in its data directory; looked for here and above, as Git does. */
function findToken(io: Io): string | undefined {
  const dataDir = io.env['SIGNALBOX_DATA_DIR']
  if (dataDir !== undefined) {
    const path = resolve(io.cwd, dataDir, TOKEN_FILE)
    return existsSync(path) ? path : undefined
  }
  for (let folder = io.cwd; ; folder = dirname(folder)) {
    const path = join(folder, DATA_DIR, TOKEN_FILE)
    if (existsSync(path)) return path
    if (dirname(folder) === folder) return undefined
  }
}

export function configPath({ env, home }: Io): string {
  return join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'signalbox', 'config.yaml')
}

async function readContext({ context }: GlobalOptions, io: Io): Promise<NamedContext | undefined> {
  const path = configPath(io)
  if (!existsSync(path)) {
    if (context === undefined) return undefined
    throw usage(`there is no context ${context}: ${path} does not exist`)
  }
  const { parse } = await import('./yaml-text.ts')
  const wrong = (what: string) => usage(`${path}: ${what}`, 'See docs/cli.md for its shape.')
  let file: unknown
  try {
    file = parse(readFileSync(path, 'utf8'), { prettyErrors: false })
  } catch {
    throw wrong('is not valid YAML')
  }
  const { current, contexts = {} } = (file ?? {}) as {
    current?: unknown
    contexts?: Readonly<Record<string, NamedContext>>
  }
  const name = context ?? (typeof current === 'string' ? current : undefined)
  if (name === undefined) return undefined
  if (!Object.hasOwn(contexts, name)) throw wrong(`there is no context ${name}`)
  const { url, tokenFile } = contexts[name] ?? {}
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  if (!isText(url) || !isText(tokenFile)) throw wrong(`${name}: url and tokenFile are text`)
  return contexts[name] ?? {}
}

function expandHome(path: string, io: Io): string {
  return path.startsWith('~/')
    ? join(io.home, path.slice(2))
    : resolve(dirname(configPath(io)), path)
}
