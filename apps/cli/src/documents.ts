import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CONFIG_RESOURCES, isObject, readConfigDocument } from '@signalbox/control'
import { type Env } from '@signalbox/host'
import { failed, usage } from './failure.ts'
import { type Io } from './io.ts'
import { type Kind, KINDS } from './kinds.ts'
import {
  formatOf,
  type Format,
  type Path,
  type Place,
  type PlacedProblem,
  readSource,
  type SourceDocument,
  twice,
} from './source-file.ts'
import { substitute } from './variables.ts'

const STDIN = '-'
const STDIN_BYTES_MAX = 16_777_216
const KINDS_IN_DOCUMENTS: readonly Kind[] = CONFIG_RESOURCES

export interface Source {
  readonly file: string
  readonly text: string
  readonly format: Format
}

export interface Collected {
  /** Specs by id below the plural of their kind: what PUT /config takes. */
  readonly config: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly problems: readonly PlacedProblem[]
  /** Where a path of `config` (`backends.b1.url`) is written; undefined where it names nothing. */
  locate(dotted: string): Place | undefined
}

interface Origin {
  readonly document: SourceDocument
  /** Where in the document the spec is. */
  readonly base: Path
}

/** The texts of files, of directories in name order, and of stdin. */
export async function readSources(names: readonly string[], io: Io): Promise<readonly Source[]> {
  const sources: Source[] = []
  for (const name of names) {
    if (name !== STDIN) sources.push(...readPath(name, io))
    else sources.push({ file: '<stdin>', text: await readStdin(io), format: 'yaml' })
  }
  return sources
}

function readPath(name: string, io: Io): readonly Source[] {
  const path = resolve(io.cwd, name)
  try {
    if (!statSync(path).isDirectory()) {
      const format = formatOf(name)
      if (format) return [{ file: name, text: decoded(name, readFileSync(path)), format }]
      throw usage(`${name} is of no known format`, 'Expected .yaml, .yml, .json or .toml.')
    }
    const found = readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => join(name, entry.name))
      .filter((file) => formatOf(file))
      .sort()
    if (found.length > 0) return found.flatMap((file) => readPath(file, io))
    throw failed(`${name} holds no .yaml, .yml, .json or .toml file`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw failed(`${name} cannot be read (${code})`)
  }
}

async function readStdin({ stdin }: Io): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of stdin) {
    parts.push(Buffer.from(part))
    bytes += Buffer.byteLength(part)
    if (bytes > STDIN_BYTES_MAX) throw failed(`stdin holds more than ${STDIN_BYTES_MAX} bytes`)
  }
  return decoded('stdin', Buffer.concat(parts))
}

function decoded(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw failed(`${name} is not UTF-8`, { code: 'invalid_input' })
  }
}

/** All documents as one, with every problem that can be seen without the server. */
export function collect(sources: readonly Source[], env: Env): Collected {
  const problems: PlacedProblem[] = []
  const found = new Map<string, Map<string, unknown>>()
  const origins = new Map<string, Origin>()
  for (const { file, text, format } of sources) {
    const read = readSource(file, text, format)
    problems.push(...read.problems)
    for (const document of read.documents) {
      if (document.value === null) continue
      const { value, problems: unset } = substitute(document.value, env)
      for (const { path, message } of unset) problems.push(problemAt(document, path, message))
      for (const entry of entriesOf(document, value, problems)) add(entry, document)
    }
  }
  function add({ plural, id, spec, base }: Entry, document: SourceDocument): void {
    const before = origins.get(keyOf(plural, id))
    const place = document.locate(base)
    if (before) {
      problems.push(twice(place, `${plural}.${id}`, before.document.locate(before.base)))
      return
    }
    origins.set(keyOf(plural, id), { document, base })
    const specs = found.get(plural) ?? new Map<string, unknown>()
    found.set(plural, specs.set(id, spec))
  }
  const config = Object.fromEntries(
    [...found].map(([plural, specs]) => [plural, Object.fromEntries(specs)]),
  )
  return { config, problems, locate: (dotted) => locateIn(config, origins, dotted) }
}

interface Entry {
  readonly plural: string
  readonly id: string
  readonly spec: unknown
  readonly base: Path
}

function entriesOf(
  document: SourceDocument,
  value: unknown,
  problems: PlacedProblem[],
): readonly Entry[] {
  const isSingle = isObject(value) && Object.hasOwn(value, 'resource')
  if (isSingle) return singleOf(document, value, problems)
  const read = readConfigDocument(value)
  if (!read.ok) {
    for (const { path, message } of read.error) {
      problems.push(problemAt(document, path === '' ? [] : [path], message))
    }
    return []
  }
  return Object.entries(read.value).flatMap(([plural, specs]) =>
    Object.entries(specs ?? {}).map(([id, spec]) => ({ plural, id, spec, base: [plural, id] })),
  )
}

/** `{resource: backend, id: b1, spec: {...}}` */
function singleOf(
  document: SourceDocument,
  { resource, id, spec, ...rest }: Readonly<Record<string, unknown>>,
  problems: PlacedProblem[],
): readonly Entry[] {
  const say = (path: string, message: string) => {
    problems.push(problemAt(document, [path], message))
  }
  for (const name of Object.keys(rest)) say(name, 'unknown field')
  const kind = KINDS_IN_DOCUMENTS.find((one) => one === resource || KINDS[one] === resource)
  if (!kind) say('resource', `expected one of ${KINDS_IN_DOCUMENTS.join(', ')}`)
  if (typeof id !== 'string') say('id', 'expected text')
  if (!isObject(spec)) say('spec', 'expected a mapping')
  if (!kind || typeof id !== 'string' || !isObject(spec)) return []
  return [{ plural: KINDS[kind], id, spec, base: ['spec'] }]
}

function problemAt(document: SourceDocument, path: Path, message: string): PlacedProblem {
  return { ...document.locate(path), path: path.join('.'), message }
}

/** Ids hold dots: at each level the longest name that fits is taken. */
function locateIn(
  config: Collected['config'],
  origins: ReadonlyMap<string, Origin>,
  dotted: string,
): Place | undefined {
  const path: string[] = []
  let value: unknown = config
  let rest = dotted
  while (rest !== '') {
    const names = typeof value === 'object' && value !== null ? Object.keys(value) : []
    const fits = names.filter((name) => rest === name || rest.startsWith(`${name}.`))
    const name = fits.sort((a, b) => b.length - a.length)[0] ?? rest.split('.', 1)[0] ?? ''
    path.push(name)
    value = isObject(value) || Array.isArray(value) ? Reflect.get(value, name) : undefined
    rest = rest.slice(name.length + 1)
  }
  const [plural = '', id = '', ...below] = path
  const origin = origins.get(keyOf(plural, id))
  return origin?.document.locate([...origin.base, ...below])
}

function keyOf(plural: string, id: string): string {
  return JSON.stringify([plural, id])
}
