// Pairs of a request and its answer, made from a seed: what goes through a proxy unchanged.
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { seededRandom } from '@signalbox/testing'

type Header = readonly [string, string]

/** In what it is sent: `headers` in the order and the case in which they are written. */
interface Sent {
  readonly headers: readonly Header[]
  readonly body: Buffer
  /** Bytes of each write; undefined: all in one. */
  readonly pieces: number | undefined
}

export interface Pair extends Sent {
  readonly path: string
  readonly stream: boolean
  readonly answer: Sent & { readonly status: number }
}

const PATHS = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/moderations']
/** Of these the first can be asked for streams. */
const STREAMING = 2
/** Of most, and of one in so many. */
const SIZE_MAX = 65_536
const LARGE_MAX = 1_048_576
const LARGE_EVERY = 8
const PIECES_MAX = 16
const EVENT_BYTES = 900
const STATUSES = [200, 200, 200, 200, 200, 200, 201, 400, 404, 422, 429, 500, 503]
const TYPES = ['application/json', 'application/json; charset=utf-8', 'Application/JSON']
const FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }
const ENCODINGS = {
  gzip: (text: string) => gzipSync(text, { level: 1 }),
  br: (text: string) => brotliCompressSync(text, FAST),
  deflate: (text: string) => deflateSync(text, { level: 1 }),
} as const
const TEXTS = ['plain words ', 'ä€😀', '"quoted"', '\0\n', '{"model":"x"}', '\u2028', '\t']

export function pairOf(n: number): Pair {
  const dice = new Dice(n)
  const path = dice.below(PATHS.length)
  const stream = path < STREAMING && dice.below(3) === 0
  const content = JSON.stringify(dice.text(dice.size()))
  const members = dice.shuffled([
    '"model": "m1"',
    ...(path < STREAMING ? [`"stream":${stream}`] : []),
    path === 0 ? `"messages":[{"role":"user","content":${content}}]` : `"input":${content}`,
    ...dice.maybe('"temperature" : 0.50'),
    ...dice.maybe('"user":"u\\u00e4"'),
    `"n":${n}`,
  ])
  const body = Buffer.from(`{${members.join(dice.pick([',', ', ', ',\n  ']))}}`)
  const headers = dice.shuffled<Header>([
    ['Content-Type', dice.pick(TYPES)],
    ['Idempotency-Key', `pair-${n}`],
    ['ACCEPT', 'application/json, text/event-stream;q=0.5'],
    ...dice.maybe<Header>(['accept-language', 'de, en;q=0.7']),
    ...dice.maybe<Header>(['OpenAI-Organization', `org-${n}`]),
    ...dice.maybe<Header>(['Traceparent', `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`]),
    ...(stream ? [] : [['Accept-Encoding', 'gzip, br, deflate'] as const]),
  ])
  const pieces = dice.pieces(body)
  return { path: PATHS[path] ?? '', stream, headers, body, pieces, answer: answerOf(dice, stream) }
}

function answerOf(dice: Dice, stream: boolean): Pair['answer'] {
  const bytes = dice.size()
  const status = stream ? 200 : dice.pick(STATUSES)
  const clear = stream ? eventsOf(dice, bytes) : JSON.stringify({ answer: dice.text(bytes) })
  const [encoding] = stream ? [] : dice.maybe(dice.pick(['gzip', 'br', 'deflate'] as const))
  const body = encoding ? ENCODINGS[encoding](clear) : Buffer.from(clear)
  const headers = dice.shuffled<Header>([
    ['Content-Type', stream ? 'text/event-stream; charset=utf-8' : dice.pick(TYPES)],
    ['OpenAI-Processing-Ms', String(dice.below(10_000))],
    ['x-ratelimit-remaining-requests', String(dice.below(100))],
    ['Cache-Control', 'no-store, max-age=0'],
    ...dice.maybe<Header>(['Vary', 'Origin']),
    ...(status === 429 ? [['Retry-After', String(dice.below(60))] as const] : []),
    ...(encoding ? [['Content-Encoding', encoding] as const] : []),
  ])
  return { status, headers, body, pieces: dice.pieces(body) }
}

function eventsOf(dice: Dice, bytes: number): string {
  const event = (delta: object, more: object = {}) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, ...more }] })}\n\n`
  let all = ''
  while (all.length < bytes) all += event({ content: dice.text(EVENT_BYTES) })
  return `${all}${event({}, { finish_reason: 'stop' })}data: [DONE]\n\n`
}

/** What is left to chance, the same for the same seed. */
class Dice {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  maybe<Item>(item: Item): readonly Item[] {
    return this.below(2) === 0 ? [item] : []
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const placed = items.map((item) => ({ at: this.#random(), item }))
    return placed.toSorted((a, b) => a.at - b.at).map(({ item }) => item)
  }

  /** As many by each order of magnitude. */
  size(): number {
    const max = this.below(LARGE_EVERY) === 0 ? LARGE_MAX : SIZE_MAX
    return Math.floor(max ** this.#random())
  }

  text(bytes: number): string {
    const part = this.pick(TEXTS)
    return part.repeat(Math.max(1, Math.floor(bytes / Buffer.byteLength(part))))
  }

  pieces({ length }: Buffer): number | undefined {
    return this.below(2) === 0 ? undefined : Math.ceil(length / (1 + this.below(PIECES_MAX)))
  }
}
