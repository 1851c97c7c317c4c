/**
 * Finds the members `model` and `stream` of a JSON object in its bytes, without parsing or copying
 * the rest. What is found here is what we check and route by, so it must be what the backend reads:
 *
 * - the whole body is valid UTF-8 and follows JSON's grammar (RFC 8259): structure, numbers,
 *   literals, nothing before or behind the object;
 * - keys are compared decoded (`"mod\u0065l"` is `model`), and one that stands twice is refused,
 *   since parsers differ on which one counts. So is `model` beside `Model`: the parser of Go, which
 *   Ollama and LocalAI use, takes both for the same field;
 * - strings that we do not read are only delimited. A raw control character or an unknown escape in
 *   them is the backend's to refuse: it moves no string's end, in any parser, and to look at every
 *   byte of a prompt would cost ten times as much.
 */
import { isUtf8 } from 'node:buffer'
import { type FailureCode } from '@signalbox/model'

export type BodyScan =
  | {
      readonly ok: true
      /** Undefined where the body has no `model`, or one that is not a string. */
      readonly model: ModelToken | undefined
      /** Whether `stream` is `true`. */
      readonly stream: boolean
      /** There where `stream` is `false`. */
      readonly plain?: true
      /** Values that may help to choose a backend; nothing is refused because of them. */
      readonly user?: Range
      readonly system?: Range
      /** The value of `messages`, or of what has its place in other operations. */
      readonly prompt?: Range
      readonly streamOptions?: Range
      /** Where these keys stand, quotes included. */
      readonly maxTokens?: Range
      readonly maxCompletionTokens?: Range
    }
  | {
      readonly ok: false
      readonly code: Extract<FailureCode, 'malformed_request' | 'duplicate_field'>
      /** Safe for clients: holds nothing of the body. */
      readonly message: string
    }

/** A string token in the body: its byte range, quotes included, and what it says. */
export interface ModelToken {
  readonly start: number
  readonly end: number
  readonly value: string
}

/** Objects and arrays inside each other, the body itself included. */
export const DEPTH_MAX = 128
/** The longest token of a model's name that is looked at; no route has a longer one. */
export const MODEL_BYTES_MAX = 4_096
/** The longest key that is decoded: `"stream"` with each character escaped as `\u0000`. */
const KEY_BYTES_MAX = 38
/** A string that is still open after so many bytes is worth the fixed cost of indexOf. */
const NEAR_BYTES = 24

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const ARRAY = 0x5b
const BACKSLASH = 0x5c
const ARRAY_END = 0x5d
const LOWER_E = 0x65
const LOWER_F = 0x66
const LOWER_N = 0x6e
const LOWER_T = 0x74
const OBJECT = 0x7b
const OBJECT_END = 0x7d
const ASCII_MAX = 0x7f
/** Set in an ASCII letter, it makes it a small one. */
const SMALL = 0x20

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')

/** A field that is looked for, and what the scan has seen of it. */
interface Field {
  readonly name: string
  /** Its key as it usually stands in a body, quotes included. */
  readonly token: Buffer
  seen: number
  /** Keys that some parsers take for this field. */
  variants: number
  /** Where the value of the last one seen begins and ends. */
  start: number
  end: number
}

/** Bytes from `start` to before `end`. */
export interface Range {
  readonly start: number
  readonly end: number
}

const MODEL = { name: 'model', token: Buffer.from('"model"') }
const STREAM = { name: 'stream', token: Buffer.from('"stream"') }
/** Members that are noted as they usually stand in a body, and not looked for in any other form. */
const HINTS: readonly (readonly [name: keyof Hints, token: Buffer])[] = [
  ['user', Buffer.from('"user"')],
  ['system', Buffer.from('"system"')],
  ['system', Buffer.from('"instructions"')],
  ['system', Buffer.from('"systemInstruction"')],
  ['prompt', Buffer.from('"messages"')],
  ['prompt', Buffer.from('"contents"')],
  ['prompt', Buffer.from('"input"')],
  ['prompt', Buffer.from('"prompt"')],
  ['streamOptions', Buffer.from('"stream_options"')],
]
/** The same of keys themselves. */
const KEYS: readonly (readonly [name: keyof Hints, token: Buffer])[] = [
  ['maxTokens', Buffer.from('"max_tokens"')],
  ['maxCompletionTokens', Buffer.from('"max_completion_tokens"')],
]
interface Wanted {
  readonly fields: readonly Field[]
  readonly hints: Hints
}
type HintName = 'user' | 'system' | 'prompt' | 'streamOptions' | 'maxTokens' | 'maxCompletionTokens'
type Hints = Partial<Record<HintName, Range>>
const UNSEEN = { seen: 0, variants: 0, start: 0, end: 0 }

/** Scans a whole body. The cost is that of finding the ends of its strings. */
export function scanBody(body: Buffer): BodyScan {
  if (!isUtf8(body)) return malformed('The body is not valid UTF-8.')
  const begin = skipSpace(body, 0)
  if (body[begin] !== OBJECT) return malformed('The body is not a JSON object.')
  const model: Field = { ...MODEL, ...UNSEEN }
  const stream: Field = { ...STREAM, ...UNSEEN }
  const hints: Hints = {}
  const end = scanMembers(body, begin + 1, { fields: [model, stream], hints })
  if (end < 0) return notJson(~end)
  const rest = skipSpace(body, end)
  if (rest < body.length) return notJson(rest)
  if (isAmbiguous(model)) return duplicate(model)
  if (isAmbiguous(stream)) return duplicate(stream)
  const streams = stream.seen > 0 && startsWith(body, stream.start, TRUE)
  const scan = withModel(body, model, streams)
  if (!scan.ok) return scan
  const isPlain = stream.seen > 0 && startsWith(body, stream.start, FALSE)
  return isPlain ? { ...scan, ...hints, plain: true } : { ...scan, ...hints }
}

function withModel(body: Buffer, { seen, start, end }: Field, stream: boolean): BodyScan {
  if (seen === 0 || body[start] !== QUOTE) return { ok: true, model: undefined, stream }
  if (end - start > MODEL_BYTES_MAX) return malformed('The name of the model is too long.')
  const value = decode(body, start, end)
  return value === undefined ? notJson(start) : { ok: true, model: { start, end, value }, stream }
}

function isAmbiguous({ seen, variants }: Field): boolean {
  return seen > 1 || (seen === 1 && variants > 0)
}

function malformed(message: string): BodyScan {
  return { ok: false, code: 'malformed_request', message }
}

function notJson(at: number): BodyScan {
  return malformed(`The body is not valid JSON, or too deeply nested, at byte ${at}.`)
}

function duplicate({ name }: Field): BodyScan {
  return { ok: false, code: 'duplicate_field', message: `The body has "${name}" more than once.` }
}

/** What a string token says; undefined where it is not valid. */
function decode(body: Buffer, start: number, end: number): string | undefined {
  try {
    return JSON.parse(body.toString('utf8', start, end)) as string
  } catch {
    return undefined
  }
}

/** What a key is to a field: `variant` is one that some parsers take for it. */
type Match = 'exact' | 'variant' | 'none' | 'invalid'

function matchKey(body: Buffer, key: Range, field: Field): Match {
  const { name, token } = field
  const length = key.end - key.start
  if (length === token.length && startsWith(body, key.start, token)) return 'exact'
  if (length < token.length || length > KEY_BYTES_MAX) return 'none'
  for (let index = 1; index <= name.length; index += 1) {
    const byte = body[key.start + index] ?? 0
    if (byte === BACKSLASH || byte > ASCII_MAX) return matchDecoded(body, key, name)
    if ((byte | SMALL) !== token[index]) return 'none'
  }
  return length === token.length ? 'variant' : 'none'
}

function matchDecoded(body: Buffer, { start, end }: Range, name: string): Match {
  const text = decode(body, start, end)
  if (text === undefined) return 'invalid'
  if (text === name) return 'exact'
  // Upper case, since there is a letter beyond ASCII that Go takes for an s.
  return text.toUpperCase() === name.toUpperCase() ? 'variant' : 'none'
}

// From here on, a function takes the position at which it goes on and answers the one behind what
// it read. A negative answer is a failure: the complement (~) of where it was seen. What is read
// behind the body's end is undefined, which equals no byte.

/** The members of the body's own object: begins behind its bracket. */
function scanMembers(body: Buffer, begin: number, { fields, hints }: Wanted): number {
  let at = skipSpace(body, begin)
  if (body[at] === OBJECT_END) return at + 1
  for (;;) {
    if (body[at] !== QUOTE) return ~at
    const key = { start: at, end: skipString(body, at + 1) }
    const start = skipColon(body, key.end)
    const end = skipValue(body, start, 1)
    if (end < 0) return end
    for (const field of fields) {
      const match = matchKey(body, key, field)
      if (match === 'invalid') return ~key.start
      if (match === 'variant') field.variants += 1
      if (match !== 'exact') continue
      field.seen += 1
      field.start = start
      field.end = end
    }
    for (const [name, token] of HINTS) {
      if (key.end - key.start !== token.length || !startsWith(body, key.start, token)) continue
      hints[name] = { start, end }
    }
    for (const [name, token] of KEYS) {
      if (key.end - key.start === token.length && startsWith(body, key.start, token)) {
        hints[name] = key
      }
    }
    at = skipSpace(body, end)
    if (body[at] === OBJECT_END) return at + 1
    if (body[at] !== COMMA) return ~at
    at = skipSpace(body, at + 1)
  }
}

/** A value inside `depth` objects and arrays. Passes an earlier failure on. */
export function skipValue(body: Buffer, at: number, depth: number): number {
  if (at < 0) return at
  switch (body[at]) {
    case QUOTE:
      return skipString(body, at + 1)
    case OBJECT:
      return depth < DEPTH_MAX ? skipObject(body, at + 1, depth + 1) : ~at
    case ARRAY:
      return depth < DEPTH_MAX ? skipArray(body, at + 1, depth + 1) : ~at
    case LOWER_T:
      return skipLiteral(body, at, TRUE)
    case LOWER_F:
      return skipLiteral(body, at, FALSE)
    case LOWER_N:
      return skipLiteral(body, at, NULL)
    default:
      return skipNumber(body, at)
  }
}

function skipObject(body: Buffer, begin: number, depth: number): number {
  let at = skipSpace(body, begin)
  if (body[at] === OBJECT_END) return at + 1
  for (;;) {
    if (body[at] !== QUOTE) return ~at
    at = skipValue(body, skipColon(body, skipString(body, at + 1)), depth)
    if (at < 0) return at
    at = skipSpace(body, at)
    if (body[at] === OBJECT_END) return at + 1
    if (body[at] !== COMMA) return ~at
    at = skipSpace(body, at + 1)
  }
}

function skipArray(body: Buffer, begin: number, depth: number): number {
  let at = skipSpace(body, begin)
  if (body[at] === ARRAY_END) return at + 1
  for (;;) {
    at = skipValue(body, at, depth)
    if (at < 0) return at
    at = skipSpace(body, at)
    if (body[at] === ARRAY_END) return at + 1
    if (body[at] !== COMMA) return ~at
    at = skipSpace(body, at + 1)
  }
}

/** A string: begins behind its opening quote. Short ones are walked through, long ones searched. */
export function skipString(body: Buffer, begin: number): number {
  let at = begin
  while (at < body.length) {
    const near = Math.min(at + NEAR_BYTES, body.length)
    while (at < near) {
      const byte = body[at]
      if (byte === QUOTE) return at + 1
      at += byte === BACKSLASH ? 2 : 1
    }
    const quote = body.indexOf(QUOTE, at)
    if (quote < 0) break
    let escapes = quote
    while (escapes > at && body[escapes - 1] === BACKSLASH) escapes -= 1
    if ((quote - escapes) % 2 === 0) return quote + 1
    at = quote + 1
  }
  return ~body.length
}

/** A colon and the space around it. Passes an earlier failure on. */
function skipColon(body: Buffer, begin: number): number {
  if (begin < 0) return begin
  const at = skipSpace(body, begin)
  return body[at] === COLON ? skipSpace(body, at + 1) : ~at
}

function skipLiteral(body: Buffer, at: number, literal: Buffer): number {
  return startsWith(body, at, literal) ? at + literal.length : ~at
}

function skipNumber(body: Buffer, begin: number): number {
  const whole = body[begin] === MINUS ? begin + 1 : begin
  let at = body[whole] === ZERO ? whole + 1 : skipDigits(body, whole)
  if (at >= 0 && body[at] === DOT) at = skipDigits(body, at + 1)
  if (at < 0 || ((body[at] ?? 0) | SMALL) !== LOWER_E) return at
  const sign = body[at + 1]
  return skipDigits(body, sign === PLUS || sign === MINUS ? at + 2 : at + 1)
}

/** At least one digit. */
function skipDigits(body: Buffer, begin: number): number {
  let at = begin
  while (isDigit(body[at])) at += 1
  return at > begin ? at : ~begin
}

function isDigit(byte = 0): boolean {
  return byte >= ZERO && byte <= NINE
}

export function skipSpace(body: Buffer, begin: number): number {
  let at = begin
  while (isSpace(body[at])) at += 1
  return at
}

function isSpace(byte = 0): boolean {
  return byte <= SPACE && (byte === SPACE || byte === LF || byte === CR || byte === TAB)
}

function startsWith(body: Buffer, at: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index += 1) {
    if (body[at + index] !== wanted[index]) return false
  }
  return true
}
