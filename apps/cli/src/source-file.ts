import { type Document, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml'
import { parse as parseToml, TomlError } from 'smol-toml'
import { type Problem } from './failure.ts'
import { locateInToml } from './toml-places.ts'

/** An alias may repeat a part; a few lines may not become gigabytes. */
const ALIASES_MAX = 100
const NO_NAME = 'expected a name as the key'
const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.yaml': 'yaml',
  '.yml': 'yaml',
  '.json': 'json',
  '.toml': 'toml',
}

export type Format = 'yaml' | 'json' | 'toml'
export type Path = readonly string[]

export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

export type PlacedProblem = Problem & Place

/** One document of a file: what it says, and where it says it. */
export interface SourceDocument {
  readonly value: unknown
  /** Where this path is written; of what is not there, the last part of the way that is. */
  locate(path: Path): Place
}

export interface SourceFile {
  readonly documents: readonly SourceDocument[]
  readonly problems: readonly PlacedProblem[]
}

export function formatOf(file: string): Format | undefined {
  return EXTENSIONS[/\.[a-z]+$/.exec(file.toLowerCase())?.[0] ?? '']
}

/** Reads a text; a problem of its syntax says where. Never throws for what it holds. */
export function readSource(file: string, bytes: string, format: Format): SourceFile {
  const text = bytes.replace(/^\uFEFF/, '')
  if (format === 'toml') return readToml(file, text)
  return format === 'json' ? readJson(file, text) : readYaml(file, text)
}

/** JSON is YAML, which knows places; what is YAML and no JSON is refused first. */
function readJson(file: string, text: string): SourceFile {
  try {
    JSON.parse(text)
  } catch (error) {
    const { message } = error as Error
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? text.length)
    return wrong(placeAt(file, text, position), 'is not valid JSON')
  }
  // Where YAML is stricter than JSON about white space, places are lost and nothing else.
  return readYaml(file, text, { value: JSON.parse(text) as unknown })
}

function readYaml(file: string, text: string, json?: { readonly value: unknown }): SourceFile {
  const lineCounter = new LineCounter()
  const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys: false })
  const all: readonly Document[] = Array.isArray(parsed) ? parsed : []
  const at = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  // A tag that is not known would be passed over, and the value be another than was meant.
  const broken = all.flatMap(({ errors, warnings }) => [...errors, ...warnings])
  if (json && (broken.length > 0 || all.length !== 1)) {
    const nowhere = { file, line: 1, column: 1 }
    return { documents: [{ value: json.value, locate: () => nowhere }], problems: [] }
  }
  if (broken.length > 0) {
    const problems = broken.map(({ pos, message }) => ({ ...at(pos[0]), path: '', message }))
    return { documents: [], problems }
  }
  const problems = all.flatMap((document) => badKeys(document.contents, [], at))
  if (problems.some(({ message }) => message === NO_NAME)) return { documents: [], problems }
  const documents = all.flatMap((document) => openYaml(document, at))
  return { documents, problems: [...problems, ...documents.flatMap((one) => one.problems)] }
}

type At = (offset: number) => Place

function openYaml(document: Document, at: At) {
  const locate = (path: Path) => at(offsetOf(document.contents, path))
  try {
    const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX })
    // As the same JSON would be: no dates, no numbers that are none.
    const same: unknown = JSON.parse(JSON.stringify(value ?? null))
    return [{ value: same, locate, problems: [] as PlacedProblem[] }]
  } catch (error) {
    const { message } = error as Error
    const place = at(unresolvedIn(document) ?? startOf(document.contents))
    return [{ value: null, locate, problems: [{ ...place, path: '', message }] }]
  }
}

/** Where an alias is that leads nowhere, if that is what is wrong. */
function unresolvedIn(document: Document): number | undefined {
  let offset: number | undefined
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return undefined
      offset = startOf(alias)
      return visit.BREAK
    },
  })
  return offset
}

/** The deepest key or item on the way to this path. */
function offsetOf(root: unknown, path: Path): number {
  let node = root
  let offset = startOf(root)
  for (const name of path) {
    if (isSeq(node)) {
      node = node.items[Number(name)]
      if (node === undefined || node === null) break
      offset = startOf(node)
      continue
    }
    const pair = isMap(node) ? node.items.find(({ key }) => nameOf(key) === name) : undefined
    if (!pair) break
    offset = startOf(pair.key)
    node = pair.value
  }
  return offset
}

/** Keys that are no names, or stand twice in one mapping: of these both places are told. */
function badKeys(node: unknown, above: Path, at: At): readonly PlacedProblem[] {
  if (isSeq(node)) {
    return node.items.flatMap((item, index) => badKeys(item, [...above, String(index)], at))
  }
  if (!isMap(node)) return []
  const first = new Map<string, Place>()
  return node.items.flatMap(({ key, value }) => {
    const name = nameOf(key)
    const path = [...above, name]
    const below = badKeys(value, path, at)
    const place = at(startOf(key))
    if (!isScalar(key)) {
      return [{ ...place, path: above.join('.'), message: NO_NAME }]
    }
    const before = first.get(name)
    first.set(name, before ?? place)
    return before ? [twice(place, path.join('.'), before), ...below] : below
  })
}

export function twice(place: Place, path: string, before: Place): PlacedProblem {
  const other = `${before.file}:${before.line}:${before.column}`
  return { ...place, path, message: `stands twice; the other is at ${other}` }
}

function nameOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}

function startOf(node: unknown): number {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0] ?? 0
}

function readToml(file: string, text: string): SourceFile {
  try {
    const value: unknown = JSON.parse(JSON.stringify(parseToml(text)))
    const places = locateInToml(text)
    const locate = (path: Path) => ({ file, ...places(path) })
    return { documents: [{ value, locate }], problems: [] }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // Below its first line the message repeats the text, which may hold a secret.
    const [message = 'is not valid TOML'] = error.message.split('\n')
    return wrong({ file, line: error.line, column: error.column }, message)
  }
}

function wrong(place: Place, message: string): SourceFile {
  return { documents: [], problems: [{ ...place, path: '', message }] }
}

function placeAt(file: string, text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n')
  return { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}
