import { type Operation, operationAt } from '@signalbox/dialects'
import { type FieldProblem } from '@signalbox/model'
import { type Hashable, hashText, hashUser } from '@signalbox/routing'
import { refused } from './refused.ts'

const TEXT_LENGTH_MAX = 255
const PATH_LENGTH_MAX = 2_048
const HASHED_LENGTH_MAX = 8_192
const DOWN_MAX = 1_000
const HEADERS_MAX = 64
const HEADER_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/
/** A key is said by its id: its token has no business here. */
const CREDENTIALS = new Set(['authorization', 'cookie', 'x-api-key', 'x-goog-api-key'])

type Asked = Readonly<Record<string, unknown>>

/** What a caller says of a request that nobody has made. */
export const ASKED = ['model', 'path', 'key', 'headers', 'user', 'hashOf', 'place', 'down'] as const

export interface Inputs {
  readonly model: string
  /** By the path; undefined where none is said. */
  readonly operation: Operation | undefined
  /** The id of a key, or null for none; undefined: no key is looked at. */
  readonly key: string | null | undefined
  /** What each policy hashes of it. */
  readonly hashable: Hashable
  /** In place of all that policies hash. */
  readonly hash: number | undefined
  /** Labels of the proxy that it comes to. */
  readonly place: Readonly<Record<string, string>>
  readonly down: readonly string[]
}

export function readInputs(asked: Asked): Inputs {
  const at = readPath(asked['path'])
  const key = readKey(asked['key'])
  const place = textsOf(asked['place'] ?? {})
  if (!place) throw wrong('place', 'expected the labels of a proxy')
  return {
    model: readModel(asked['model'] ?? at?.model),
    operation: at?.operation,
    key,
    hashable: hashableOf({
      headers: readHeaders(asked['headers']),
      user: readText(asked, 'user'),
      key,
    }),
    hash: hashed(readText(asked, 'hashOf')),
    place,
    down: readDown(asked['down']),
  }
}

function readPath(value: unknown) {
  if (value === undefined) return undefined
  const fits = typeof value === 'string' && value.length <= PATH_LENGTH_MAX
  const found = fits ? operationAt(value) : undefined
  if (found) return found
  throw wrong('path', 'expected a path of the data plane that names a model, or whose body does')
}

function readModel(value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= TEXT_LENGTH_MAX) return value
  throw wrong('model', 'expected the name of a model')
}

function readKey(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return value
  if (typeof value === 'string' && value !== '' && value.length <= TEXT_LENGTH_MAX) return value
  throw wrong('key', 'expected the id of a key, or null for a request that shows none')
}

function readHeaders(value: unknown): ReadonlyMap<string, string> {
  const said = textsOf(value ?? {})
  if (!said || Object.keys(said).length > HEADERS_MAX) {
    throw wrong('headers', `expected at most ${HEADERS_MAX} names with their values`)
  }
  const headers = new Map(Object.entries(said).map(([name, text]) => [name.toLowerCase(), text]))
  for (const [name, text] of headers) {
    const path = `headers.${name}`
    if (CREDENTIALS.has(name)) throw wrong(path, 'is a credential: name the key by its id in key')
    if (!HEADER_NAME.test(name)) throw wrong('headers', 'expected names of headers')
    if (text.length > HASHED_LENGTH_MAX) throw wrong(path, 'is too long')
  }
  return headers
}

function readText(asked: Asked, path: 'user' | 'hashOf'): string | undefined {
  const value = asked[path]
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length <= HASHED_LENGTH_MAX) return value
  throw wrong(path, 'expected text, as the policy hashes it')
}

function readDown(value: unknown): readonly string[] {
  if (value === undefined) return []
  const isList = Array.isArray(value) && value.length <= DOWN_MAX
  if (isList && value.every((id) => typeof id === 'string')) return value
  throw wrong('down', 'expected ids of backends to be taken as down')
}

interface Said {
  readonly headers: ReadonlyMap<string, string>
  readonly user: string | undefined
  readonly key: string | null | undefined
}

/** As the proxy hashes them; the beginning of a prompt is not said here. */
function hashableOf({ headers, user, key }: Said): Hashable {
  return {
    header: (name) => hashed(headers.get(name)),
    key: () => hashed(key ?? undefined),
    user: () => (user ? hashUser(user) : undefined),
    prefix: () => undefined,
  }
}

function hashed(text: string | undefined): number | undefined {
  return text ? hashText(text) : undefined
}

function textsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  return entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')
    ? Object.fromEntries(entries)
    : undefined
}

export function wrong(path: string, message: string) {
  const errors: readonly FieldProblem[] = [{ path, message }]
  return refused('validation_failed', 'what is asked for is not valid', errors)
}
