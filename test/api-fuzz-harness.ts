// Requests that are wrong in some way, made of docs/openapi.json and a seed, and the sockets that
// carry them as they are: no client library would send most of them.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import {
  BYTES,
  HEADER_VALUES,
  LINES,
  ODD_HEADERS,
  PATH_PARTS,
  QUERY_VALUES,
  TYPES,
  VALUES,
} from './api-fuzz-values.ts'

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minimum?: number
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
}

export interface Endpoint {
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: Schema | null
  readonly types: readonly string[]
  /** What the document says that it may be refused with. */
  readonly codes: readonly string[]
}

const document = JSON.parse(readFileSync(join(import.meta.dirname, '../docs/openapi.json'), 'utf8'))

export const endpoints: readonly Endpoint[] = Object.entries<Record<string, never>>(
  document.paths,
).flatMap(([path, item]) =>
  Object.entries<{
    parameters?: Parameter[]
    requestBody?: { content: Record<string, { schema: Schema }> }
    responses: Record<string, { 'x-codes'?: string[] }>
  }>(item).map(([method, { parameters = [], requestBody, responses }]) => {
    const content = Object.entries(requestBody?.content ?? {})
    const types = content.map(([type]) => type)
    const body = content[0]?.[1].schema ?? null
    const codes = Object.values(responses).flatMap((one) => one['x-codes'] ?? [])
    return { method: method.toUpperCase(), path, parameters, body, types, codes }
  }),
)

/** One request as it is put on the wire. */
export interface Wrong {
  /** What is wrong with it: for the message of a failure. */
  readonly how: readonly string[]
  readonly head: string
  readonly body: Buffer
  readonly bodySent: number
  /** Else our side ends behind what was sent, and nobody waits for an answer. */
  readonly complete: boolean
  /** The endpoint that it reaches, whatever is wrong; null where it may be another one. */
  readonly reaches: Endpoint | null
}

type Random = () => number

const pick = <One>(random: Random, all: readonly One[]): One =>
  all[Math.floor(random() * all.length)] as One

/** A value as the schema wants it, as far as the shape goes. */
function sample(schema: Schema, random: Random): unknown {
  if (schema.$ref) return sample(document.components.schemas[schema.$ref.slice(21)], random)
  const { anyOf, oneOf, properties, required = [], items, minimum } = schema
  const several = anyOf ?? oneOf
  if (several) return sample(pick(random, several), random)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return pick(random, schema.enum)
  const type = Array.isArray(schema.type) ? pick(random, schema.type) : schema.type
  if (type === 'object') {
    const wanted = Object.entries(properties ?? {}).filter(
      ([name]) => required.includes(name) || random() < 0.3,
    )
    return Object.fromEntries(wanted.map(([name, one]) => [name, sample(one, random)]))
  }
  if (type === 'array') return items ? [sample(items, random)] : []
  if (type === 'integer' || type === 'number') return minimum ?? 1
  if (type === 'boolean') return random() < 0.5
  return pick(random, ['b1', 'http://127.0.0.1:8000', 'm1'])
}

/** The value with one place in it made wrong. */
function spoiled(value: unknown, random: Random): unknown {
  const isObject = typeof value === 'object' && value !== null
  if (!isObject || random() < 0.15) return pick(random, VALUES)
  if (Array.isArray(value)) {
    if (value.length === 0) return [pick(random, VALUES)]
    return value.with(Math.floor(random() * value.length), spoiled(value[0], random))
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || random() < 0.3) {
    return { ...value, [pick(random, ['x', '', '\0', '\ud800', 'toString'])]: pick(random, VALUES) }
  }
  const [name, inner] = pick(random, entries)
  const { [name]: _left, ...rest } = value as Record<string, unknown>
  return random() < 0.15 ? rest : { ...rest, [name]: spoiled(inner, random) }
}

function written(value: unknown): Buffer {
  const text = JSON.stringify(value) ?? ''
  return Buffer.from(
    text.replace(/"@raw:((?:[^"\\]|\\.)*)"/g, (_, raw: string) => JSON.parse(`"${raw}"`)),
  )
}

/** The parts of a request before they are put together. */
interface Draft {
  how: string[]
  line: string | null
  path: string
  query: string[]
  headers: string[]
  type: string | null
  body: Buffer
  share: number
}

type Spoil = (draft: Draft, endpoint: Endpoint, random: Random) => void

const SPOILS: Readonly<Record<string, Spoil>> = {
  value: (draft, { body }, random) => {
    draft.body = written(spoiled(body ? sample(body, random) : {}, random))
  },
  bytes: (draft, _, random) => void (draft.body = pick(random, BYTES)),
  type: (draft, _, random) => void (draft.type = pick(random, TYPES)),
  'no type': (draft) => void (draft.type = null),
  'path part': (draft, { path }, random) => {
    const parts = path.split('/')
    const at = random() < 0.7 ? parts.findIndex((part) => part.startsWith('{')) : -1
    const place = at < 0 ? 1 + Math.floor(random() * (parts.length - 1)) : at
    draft.path = parts.with(place, pick(random, PATH_PARTS)).join('/')
  },
  query: (draft, { parameters }, random) => {
    const names = parameters.filter((one) => one.in === 'query').map(({ name }) => name)
    const name = pick(random, [...names, ...names, 'x', 'asof', '', '%', '__proto__', 'a[b]'])
    draft.query.push(`${name}=${pick(random, QUERY_VALUES)}`)
    if (random() < 0.2) draft.query.push(`${name}=1`)
  },
  header: (draft, { parameters }, random) => {
    const names = parameters.filter((one) => one.in === 'header').map(({ name }) => name)
    const name = pick(random, [...names, ...names, 'authorization', 'accept', 'if-match', 'range'])
    draft.headers.push(`${name}: ${pick(random, HEADER_VALUES)}`)
  },
  'odd header': (draft, _, random) => void draft.headers.push(pick(random, ODD_HEADERS)),
  line: (draft, _, random) => void (draft.line = pick(random, LINES)),
  method: (draft, { path }, random) => {
    const method = pick(random, ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'FOO'])
    draft.line = `${method} ${path.replace(/\{\w+\}/, 'b1')} HTTP/1.1`
  },
  truncated: (draft, { body }, random) => {
    if (draft.body.length < 2) draft.body = written(body ? sample(body, random) : { a: 1 })
    draft.share = random() * 0.9
  },
}

/** What may make it a request for another endpoint, or for none. */
const ELSEWHERE = ['path part', 'line', 'method']

/** The request of one endpoint with one to three things wrong. */
export function wrongRequest(endpoint: Endpoint, token: string, random: Random): Wrong {
  const { method, path, body, types } = endpoint
  const draft: Draft = {
    ...{ how: [], line: null, query: [], headers: [], share: 1 },
    path: path.replace(/\{revision\}/, '1').replace(/\{\w+\}/, pick(random, ['b1', 'b9'])),
    type: body ? pick(random, types) : null,
    body: body ? written(sample(body, random)) : Buffer.alloc(0),
  }
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    const [name, spoil] = pick(random, Object.entries(SPOILS))
    draft.how.push(name)
    spoil(draft, endpoint, random)
  }
  const query = draft.query.length > 0 ? `?${draft.query.join('&')}` : ''
  const lines = [
    draft.line ?? `${method} ${draft.path}${query} HTTP/1.1`,
    'host: admin',
    'connection: close',
    `authorization: Bearer ${token}`,
    ...(draft.type === null ? [] : [`content-type: ${draft.type}`]),
    ...(draft.body.length > 0 ? [`content-length: ${draft.body.length}`] : []),
    ...draft.headers,
  ]
  const bodySent = Math.floor(draft.body.length * draft.share)
  return {
    ...{ how: draft.how, bodySent, body: draft.body },
    complete: bodySent === draft.body.length && !lines.includes('transfer-encoding: chunked'),
    head: `${lines.join('\r\n')}\r\n\r\n`,
    reaches: draft.how.some((one) => ELSEWHERE.includes(one)) ? null : endpoint,
  }
}

export interface Heard {
  /** 0: the connection ended without an answer. */
  readonly status: number
  readonly type: string
  readonly text: string
}

/** Nothing takes so long: what is not answered by then never is. */
const ANSWER_MS_MAX = 10_000

/** Sends the bytes and reads until the server ends the connection; of a stream only the head. */
export function sendWrong(port: number, wrong: Wrong): Promise<Heard> {
  const { head, body, bodySent, complete } = wrong
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1' })
    const all = () => Buffer.concat(parts).toString('latin1')
    // A server that answers and closes while we still send resets: what came before counts.
    socket.on('error', () => {}).on('close', () => resolve(heardIn(all())))
    socket.on('data', (part: Buffer) => {
      parts.push(part)
      if (/^content-type: text\/event-stream/im.test(all())) socket.destroy()
    })
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy())
    socket.write(Buffer.from(head, 'latin1'))
    socket.write(body.subarray(0, bodySent))
    if (!complete) socket.end()
  })
}

/** The last answer: an interim one (100 Continue) may come before it. */
function heardIn(all: string): Heard {
  const answers = all.split(/^(?=HTTP\/1\.1 \d{3} )/m)
  const last = answers.at(-1) ?? ''
  const [head = '', ...rest] = last.split('\r\n\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0)
  const type = /^content-type: (.*)$/im.exec(head)?.[1]?.trim() ?? ''
  const body = rest.join('\r\n\r\n')
  const chunked = /^transfer-encoding: chunked/im.test(head)
  const text = chunked ? body.replace(/(^|\r\n)[0-9a-f]+\r\n/g, '') : body
  return { status, type, text: Buffer.from(text, 'latin1').toString('utf8') }
}
