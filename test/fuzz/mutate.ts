// What goes wrong with a body or a stream: in its values, in its bytes, and between its events.

/** Numbers in [0, 1). */
export type Random = () => number

export function pick<Value>(random: Random, all: readonly Value[]): Value {
  const one = all[Math.floor(random() * all.length)]
  if (one === undefined) throw new Error('there is nothing to pick from')
  return one
}

export function below(random: Random, most: number): number {
  return Math.floor(random() * Math.max(1, most))
}

const DEPTHS = [3, 60, 200]
/** What no JSON.stringify() can write: put into a text in place of this one. */
const DEEP = 'nested deeply'
const DEEPEST = 20_000
const LENGTHS = [1, 300, 20_000]

/** Values that some reader of some API has not thought of. */
function oddValue(random: Random): unknown {
  const odd: readonly (() => unknown)[] = [
    () => null,
    () => pick(random, [0, -1, -0, 1e308, 0.1, 2 ** 53, 1e-320]),
    () => pick(random, [true, false]),
    () => pick(random, ['', ' ', '\u0000', '\ud83d', 'data:', 'data:image/png;base64,', '[DONE]']),
    () => 'é"\\\n'.repeat(pick(random, LENGTHS)),
    () => [],
    () => ({}),
    () => DEEP,
    () => nested(pick(random, DEPTHS), random() < 0.5),
    () => Array.from({ length: pick(random, LENGTHS) }, () => ({})),
    () => JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":null}') as unknown,
  ]
  return pick(random, odd)()
}

function nested(depth: number, isList: boolean): unknown {
  let value: unknown = 1
  for (let n = 0; n < depth; n++) value = isList ? [value] : { type: value }
  return value
}

/** A value as a text of JSON, nested as deeply as it says. */
export function textOf(value: unknown): string {
  const deep = `${'{"a":['.repeat(DEEPEST)}${']}'.repeat(DEEPEST)}`
  return (JSON.stringify(value) ?? 'null').replace(JSON.stringify(DEEP), deep)
}

interface Place {
  readonly holder: Record<string, unknown>
  readonly name: string
}

function placesOf(value: unknown, all: Place[] = []): readonly Place[] {
  if (typeof value !== 'object' || value === null) return all
  const holder = value as Record<string, unknown>
  for (const name of Object.keys(holder)) {
    all.push({ holder, name })
    placesOf(holder[name], all)
  }
  return all
}

/** A copy with one to three places changed. */
export function mutatedJson(given: unknown, random: Random): unknown {
  const copy = structuredClone(given)
  for (let n = below(random, 3); n >= 0; n--) {
    const places = placesOf(copy)
    if (places.length === 0) return oddValue(random)
    const { holder, name } = pick(random, places)
    const other = pick(random, places)
    const how = random()
    if (how < 0.5) holder[name] = oddValue(random)
    else if (how < 0.65 && !Array.isArray(holder)) Reflect.deleteProperty(holder, name)
    else if (how < 0.8) holder[name] = structuredClone(other.holder[other.name])
    else holder[pick(random, [other.name, `${name}x`, 'type', 'content'])] = holder[name]
  }
  return copy
}

const NOISE = [
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  'data:',
  'event: error\n',
  '{',
  '}',
  '"',
  '\\u',
  '\\',
]
const BYTES = NOISE.map((text) => Buffer.from(text)).concat(
  Buffer.from([0xff]),
  Buffer.from([0xe2, 0x82]),
  Buffer.from([0]),
)

/** With bytes changed, put in, cut out or doubled in up to four places. */
export function mutatedBytes(given: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(given)
  for (let n = below(random, 4); n >= 0; n--) {
    const at = below(random, bytes.length)
    const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
    const length = below(random, 40)
    const how = random()
    if (how < 0.3) bytes = Buffer.concat([before, pick(random, BYTES), behind])
    else if (how < 0.5) bytes = Buffer.concat([before, behind.subarray(length)])
    else if (how < 0.7) bytes = Buffer.concat([before, behind.subarray(0, length), behind])
    else if (how < 0.8) bytes = before
    else if (at < bytes.length) bytes[at] = below(random, 256)
  }
  return bytes
}

/** A stream with events left out, doubled, moved or changed inside; or with other bytes. */
export function mutatedStream(given: string, random: Random): Buffer {
  if (random() < 0.4) return mutatedBytes(Buffer.from(given), random)
  const lines = given.split('\n')
  for (let n = below(random, 3); n >= 0; n--) {
    const at = below(random, lines.length)
    const line = lines[at] ?? ''
    const how = random()
    if (how < 0.2) lines.splice(at, 1)
    else if (how < 0.4) lines.splice(at, 0, line, '')
    else if (how < 0.5) lines.splice(below(random, lines.length), 0, line, '')
    else lines[at] = mutatedLine(line, random)
  }
  return Buffer.from(lines.join('\n'))
}

function mutatedLine(line: string, random: Random): string {
  const begins = line.indexOf('{')
  if (begins < 0) return line
  try {
    const value: unknown = JSON.parse(line.slice(begins))
    return line.slice(0, begins) + textOf(mutatedJson(value, random))
  } catch {
    return line
  }
}

/** The same bytes in up to six pieces. */
export function inPieces(bytes: Buffer, random: Random): readonly Buffer[] {
  const cuts = Array.from({ length: below(random, 6) }, () => below(random, bytes.length + 1))
  const ends = [...cuts.toSorted((a, b) => a - b), bytes.length]
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}
