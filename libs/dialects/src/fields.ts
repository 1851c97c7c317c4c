import { err, ok, type Result } from '@signalbox/model'

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>

/** Why a body cannot be translated. `field` as clients write it: `messages[2].content`. */
export interface Problem {
  readonly field: string
  readonly message: string
}

/** How a request is translated. */
export interface Leniency {
  /** What cannot be expressed is dropped and listed; else it is refused. */
  readonly lenient: boolean
}

/** Thrown inside a translation only; translating() makes a value of it. */
class Untranslatable extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

/** What a translation could not carry over. Each field is listed once. */
export class Notes {
  readonly #lenient: boolean
  readonly #dropped = new Set<string>()

  constructor({ lenient }: Leniency) {
    this.#lenient = lenient
  }

  get dropped(): readonly string[] {
    return [...this.#dropped]
  }

  /** A field that changes what the answer means: refused, unless the policy is lenient. */
  unsupported(field: string, message = 'cannot be expressed at this backend'): void {
    if (!this.#lenient) refuse(field, message)
    this.#dropped.add(field)
  }

  /** A field that changes cost or speed alone: dropped by this declared rule, and always listed. */
  hint(field: string): void {
    this.#dropped.add(field)
  }
}

/** Ends the translation. */
export function refuse(field: string, message: string): never {
  throw new Untranslatable({ field, message })
}

/** Runs a translation. A body that is nested too deeply for JSON is a problem of the body. */
export function translating<Value>(run: () => Value): Result<Value, Problem> {
  try {
    return ok(run())
  } catch (error) {
    if (error instanceof Untranslatable) return err(error.problem)
    if (error instanceof RangeError) return err({ field: 'body', message: 'is nested too deeply' })
    throw error
  }
}

/**
 * One object, read member by member. What nobody took is named by end(): a new field of an API must
 * not disappear without a word. `null` counts as absent, as both OpenAI and Anthropic have it.
 */
export class Fields {
  readonly notes: Notes
  readonly #value: Json
  /** Made into a text when somebody asks: a large body has thousands that nobody does. */
  readonly #place: Place
  /** Names of members that are there and were taken. What translations know is a few dozen. */
  readonly #taken: string[] = []
  #isDone = false

  constructor(value: unknown, path: string | Place, notes: Notes) {
    this.#place = typeof path === 'string' ? { in: undefined, name: path } : path
    if (!isJson(value)) refuse(this.path === '' ? 'body' : this.path, 'must be an object')
    this.#value = value
    this.notes = notes
  }

  get path(): string {
    const { in: parent, name, index } = this.#place
    const own = parent ? parent.at(name) : name
    return index === undefined ? own : `${own}[${index}]`
  }

  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }

  take(name: string): unknown {
    if (!Object.hasOwn(this.#value, name)) return undefined
    this.#taken.push(name)
    return this.#value[name] ?? undefined
  }

  string(name: string): string | undefined {
    return this.#typed(name, 'string') as string | undefined
  }

  number(name: string): number | undefined {
    return this.#typed(name, 'number') as number | undefined
  }

  boolean(name: string): boolean | undefined {
    return this.#typed(name, 'boolean') as boolean | undefined
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.take(name)
    if (value === undefined || Array.isArray(value)) return value
    refuse(this.at(name), 'must be a list')
  }

  json(name: string): Json | undefined {
    const value = this.take(name)
    if (value === undefined || isJson(value)) return value
    refuse(this.at(name), 'must be an object')
  }

  object(name: string): Fields | undefined {
    const value = this.json(name)
    return value && new Fields(value, { in: this, name }, this.notes)
  }

  /** The objects of a list, each as Fields. */
  each(name: string): readonly Fields[] {
    const list = this.list(name) ?? []
    return list.map((one, index) => new Fields(one, { in: this, name, index }, this.notes))
  }

  need<Value>(name: string, value: Value | undefined): Value {
    return value ?? refuse(this.at(name), 'is missing')
  }

  /** Takes members that have no counterpart: fine where they say what is so anyway. */
  unsupported(names: readonly string[], isHarmless: (value: unknown) => boolean = isNothing): void {
    for (const name of names) {
      const value = this.take(name)
      if (value !== undefined && !isHarmless(value)) this.notes.unsupported(this.at(name))
    }
  }

  hints(names: readonly string[]): void {
    for (const name of names) {
      if (this.take(name) !== undefined) this.notes.hint(this.at(name))
    }
  }

  ignore(names: readonly string[]): void {
    for (const name of names) this.take(name)
  }

  /** Of all that nobody took, whatever it is. */
  ignoreRest(): void {
    this.#isDone = true
  }

  /** The members that nobody took yet. */
  rest(): Json {
    return Object.fromEntries(this.#left().map((name) => [name, this.#value[name]]))
  }

  /** Names what nobody took. */
  end(): void {
    for (const name of this.#left()) {
      const value = this.#value[name]
      if (value === undefined || value === null) continue
      this.notes.unsupported(this.at(name), 'is not known')
    }
    this.#isDone = true
  }

  #left(): readonly string[] {
    if (this.#isDone) return []
    return Object.keys(this.#value).filter((name) => !this.#taken.includes(name))
  }

  #typed(name: string, type: 'string' | 'number' | 'boolean'): unknown {
    const value = this.take(name)
    if (value !== undefined && typeof value !== type) refuse(this.at(name), `must be a ${type}`)
    return value
  }
}

/** Where an object stands in the body: a member of another one, or one of a list there. */
interface Place {
  readonly in: Fields | undefined
  readonly name: string
  readonly index?: number
}

/** `false`, `0`, `{}`, `[]`: an option that is switched off. */
export function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (isJson(value)) return Object.keys(value).length === 0
  return value === false || value === 0
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object without its undefined members; of names that are ours, never a client's. */
export function compact<Value extends object>(value: Value): Compact<Value> {
  const compacted: Record<string, unknown> = {}
  for (const name of Object.keys(value)) {
    const member = (value as Json)[name]
    if (member !== undefined) compacted[name] = member
  }
  return compacted as Compact<Value>
}

/** What JSON leaves of an object with undefined members. */
export type Compact<Value> = {
  [Name in keyof Value as undefined extends Value[Name] ? never : Name]: Value[Name]
} & {
  [Name in keyof Value as undefined extends Value[Name] ? Name : never]?: Exclude<
    Value[Name],
    undefined
  >
}

/** JSON.parse() reads what JSON.stringify() cannot write again: that runs out of stack. */
export const DEPTH_MAX = 1_000

/** The object in a text of JSON; undefined where it holds none. */
export function parsedJson(text: string): Json | undefined {
  const value = jsonOf(text)
  return isJson(value) ? value : undefined
}

/** What a text of JSON says; undefined where it is none, or nested deeper than DEPTH_MAX. */
export function jsonOf(text: string): unknown {
  if (text.length > 2 * DEPTH_MAX && isDeep(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const [QUOTE, BACKSLASH, LIST, LIST_END, OBJECT, OBJECT_END] = [34, 92, 91, 93, 123, 125]

function isDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at + 1)
    else if (code === OBJECT || code === LIST) {
      if (++depth > DEPTH_MAX) return true
    } else if (code === OBJECT_END || code === LIST_END) depth--
  }
  return false
}

/** Where the quote stands that ends the string which begins here. */
function stringEnd(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at
    while (text.charCodeAt(before - 1) === BACKSLASH) before--
    if ((at - before) % 2 === 0) return at
  }
  return text.length
}

/** A member of what a backend sent, where it has the type. */
export function stringIn(value: unknown, name: string): string | undefined {
  const member = isJson(value) ? value[name] : undefined
  return typeof member === 'string' ? member : undefined
}

/** Of a name that a backend gave itself or its answer; a longer one stands in every event. */
const NAME_CHARACTERS_MAX = 512

/** An id or a model's name, where it is one that can be handed on. */
export function nameIn(value: unknown, name: string): string | undefined {
  const text = stringIn(value, name)
  return text !== undefined && text.length <= NAME_CHARACTERS_MAX ? text : undefined
}

export function countIn(value: unknown, name: string): number {
  const member = isJson(value) ? value[name] : undefined
  return typeof member === 'number' && member >= 0 ? member : 0
}

export function jsonIn(value: unknown, name: string): Json | undefined {
  const member = isJson(value) ? value[name] : undefined
  return isJson(member) ? member : undefined
}

export function listIn(value: unknown, name: string): readonly unknown[] {
  const member = isJson(value) ? value[name] : undefined
  return Array.isArray(member) ? member : []
}
