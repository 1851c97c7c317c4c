import { type FieldProblem } from '@signalbox/model'
import { type Unmapped } from './document.ts'
import { expand, type Lookup } from './variables.ts'

/** Where a value is: the names and list indexes that lead to it. */
export type Path = readonly string[]

/** A file with more than this is no configuration that people wrote, or one that holds itself. */
export const VALUES_MAX = 100_000
export const DEPTH_MAX = 32

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const NO_VALUE = 'there is no value here'

/**
 * Reads a foreign configuration and keeps account of it. A value is taken when somebody reads it,
 * or left with a reason; what is neither comes out of unmapped() all the same. So a key that no
 * importer knows cannot get lost. A value that is not what its key wants becomes a problem, and
 * reading goes on: all problems are reported together. No message ever holds a value.
 */
export class Reader {
  readonly problems: FieldProblem[] = []
  readonly #taken = new Set<string>()
  readonly #left = new Map<string, Unmapped>()
  readonly #root: unknown
  readonly #lookup: Lookup

  constructor(root: unknown, lookup: Lookup) {
    this.#root = root
    this.#lookup = lookup
  }

  /** The value as it is written, or undefined. Does not take it. */
  at(path: Path): unknown {
    return path.reduce<unknown>(member, this.#root)
  }

  /** Whether something is written there. `key:` with nothing behind it is not. */
  has(path: Path): boolean {
    const value = this.at(path)
    return value !== undefined && value !== null
  }

  /** The names of a mapping; none where nothing is written. */
  names(path: Path): readonly string[] {
    const value = this.at(path)
    if (isEmpty(value)) this.take(path)
    if (value === undefined || value === null) return []
    if (isMapping(value)) return Object.keys(value)
    this.problem(path, 'expected a mapping of names to values')
    return []
  }

  /** The paths of a list's items; none where nothing is written. */
  items(path: Path): readonly Path[] {
    const value = this.at(path)
    if (isEmpty(value)) this.take(path)
    if (value === undefined || value === null) return []
    if (Array.isArray(value)) return value.map((_, index) => [...path, String(index)])
    this.problem(path, 'expected a list')
    return []
  }

  text(path: Path): string | undefined {
    const said = this.#value(path)
    if (said === undefined || typeof said.value === 'string') return said?.value as string
    return this.problem(path, 'expected text')
  }

  flag(path: Path): boolean | undefined {
    const said = this.#value(path)
    if (said === undefined || typeof said.value === 'boolean') return said?.value as boolean
    if (said.fromEnv && said.value === 'true') return true
    if (said.fromEnv && said.value === 'false') return false
    return this.problem(path, 'expected true or false')
  }

  integer(path: Path): number | undefined {
    const said = this.#value(path)
    if (said === undefined) return undefined
    const number = numberOf(said)
    if (Number.isSafeInteger(number) && number >= 0) return number
    return this.problem(path, 'expected a whole number, 0 or more')
  }

  number(path: Path): number | undefined {
    const said = this.#value(path)
    if (said === undefined) return undefined
    const number = numberOf(said)
    if (Number.isFinite(number) && number >= 0) return number
    return this.problem(path, 'expected a number, 0 or more')
  }

  /** Milliseconds, of a number of seconds or of text such as `500ms`, `30s`, `5m`. */
  durationMs(path: Path): number | undefined {
    const said = this.#value(path)
    if (said === undefined) return undefined
    const { value } = said
    const ms = typeof value === 'string' ? textToMs(value) : numberOf(said) * 1_000
    if (Number.isFinite(ms) && ms >= 0) return Math.round(ms)
    return this.problem(path, 'expected seconds, or text such as "500ms", "30s", "5m"')
  }

  /** Counts a value as read. What is below it too. */
  take(path: Path): void {
    this.#taken.add(keyOf(path))
  }

  /** Says why something is not taken over. The first reason stays. */
  leave(path: Path, why: string): void {
    const key = keyOf(path)
    if (!this.#left.has(key)) this.#left.set(key, { path: dotted(path), why })
  }

  problem(path: Path, message: string): undefined {
    this.problems.push({ path: dotted(path), message })
  }

  /**
   * All that was not taken over, in the order of the file. `reasonOf` speaks for what nobody read.
   * A path that is left stands for all that is below it.
   */
  unmapped(reasonOf: (path: Path) => string): readonly Unmapped[] {
    const found = new Map<string, Unmapped>()
    const visit = (value: unknown, path: Path, settled: boolean): void => {
      const key = keyOf(path)
      const left = this.#left.get(key)
      if (left) found.set(key, left)
      const covered = settled || left !== undefined || this.#taken.has(key)
      const below = childrenOf(value)
      for (const name of below) visit(member(value, name), [...path, name], covered)
      if (below.length > 0 || covered || path.length === 0) return
      const why = isEmpty(value) ? NO_VALUE : reasonOf(path)
      found.set(key, { path: dotted(path), why })
    }
    visit(this.#root, [], false)
    // What was left and is not in the file: a value that would have been taken from elsewhere.
    for (const [key, left] of this.#left) found.set(key, left)
    return [...found.values()]
  }

  /** A name of the file, for one that has variables in it. */
  expanded(path: Path, name: string): string | undefined {
    const expanded = expand(name, this.#lookup)
    return expanded.ok ? expanded.value : this.problem(path, expanded.error)
  }

  #value(path: Path): { readonly value: unknown; readonly fromEnv: boolean } | undefined {
    const value = this.at(path)
    if (value === undefined || value === null) return undefined
    this.take(path)
    if (typeof value !== 'string') return { value, fromEnv: false }
    const expanded = expand(value, this.#lookup)
    if (!expanded.ok) return this.problem(path, expanded.error)
    return { value: expanded.value, fromEnv: expanded.value !== value }
  }
}

/** A problem where the file is too large or too deep to be looked at, or is no mapping. */
export function shapeProblem(root: unknown): FieldProblem | undefined {
  if (!isMapping(root)) return { path: '', message: 'expected a mapping of settings' }
  let level: readonly unknown[] = [root]
  let values = 0
  for (let depth = 0; level.length > 0; depth++) {
    values += level.length
    if (values > VALUES_MAX) return { path: '', message: `expected at most ${VALUES_MAX} values` }
    if (depth > DEPTH_MAX) return { path: '', message: `expected at most ${DEPTH_MAX} levels` }
    level = level.flatMap((value) => childrenOf(value).map((name) => member(value, name)))
  }
  return undefined
}

/** A path as people read it. A password in a URL that is a key stays out of messages. */
export function dotted(path: Path): string {
  return path.map((name) => name.replace(/\/\/[^/]*@/, '//***@')).join('.')
}

/** A plain mapping: a date of a TOML file, for one, is none. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Unlike the dotted form, different for every two paths. */
function keyOf(path: Path): string {
  return JSON.stringify(path)
}

function childrenOf(value: unknown): readonly string[] {
  return Array.isArray(value) || isMapping(value) ? Object.keys(value) : []
}

function member(value: unknown, name: string): unknown {
  if (!Array.isArray(value) && !isMapping(value)) return undefined
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value) || isMapping(value)) return Object.keys(value).length === 0
  return value === undefined || value === null
}

/** What a variable holds is text, also where it is meant as a number. */
function numberOf({ value, fromEnv }: { value: unknown; fromEnv: boolean }): number {
  if (typeof value === 'number') return value
  const numeric = fromEnv && typeof value === 'string' && /^\d{1,15}(?:\.\d{1,6})?$/.test(value)
  return numeric ? Number(value) : NaN
}

function textToMs(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text)
  return match ? Number(match[1]) * (UNIT_MS[match[2] ?? 's'] ?? NaN) : NaN
}
