// One wrong body, answer or stream, given to the translations themselves.
import { type ChatCodec, type Dialect, dialectNamed, jsonOf, OPERATIONS } from '@signalbox/dialects'
import {
  inPieces,
  mutatedBytes,
  mutatedJson,
  mutatedStream,
  pick,
  type Random,
  textOf,
} from './mutate.ts'
import { context, type Samples } from './samples.ts'

/** JSON writes a character as six at most, and what is added is of one size. */
const GROWTH_MOST = 16
const ADDED_BYTES_MOST = 65_536
const CODECS: readonly ChatCodec[] = OPERATIONS.flatMap(({ codec }) => codec ?? [])

/** What is wrong with how it was taken, or nothing. */
export function codecProblem(samples: readonly Samples[], random: Random): string | undefined {
  const [from, to] = [pick(random, samples), pick(random, samples)]
  const how = random()
  if (how < 0.4) return requestProblem(from, to, random)
  if (how < 0.6) return answerProblem(from, to, random)
  return streamProblem(from, to, random)
}

function requestProblem(from: Samples, to: Samples, random: Random): string | undefined {
  const given = textOf(mutatedJson(pick(random, from.bodies), random))
  const body = jsonOf(given)
  const call = { lenient: random() < 0.5, model: 'm1', stream: random() < 0.5 }
  const codec = random() < 0.1 ? pick(random, CODECS) : from.codec
  const read = codec.readRequest(body, call)
  if (!read.ok) return read.error.field === '' ? 'a refusal names no field' : undefined
  const written = to.codec.writeRequest(read.value.chat, call)
  if (!written.ok) return written.error.field === '' ? 'a refusal names no field' : undefined
  const text = JSON.stringify(written.value.body)
  const most = given.length * GROWTH_MOST + ADDED_BYTES_MOST
  if (text.length > most) return `a body of ${text.length} bytes of one of ${most}`
  to.codec.readRequest(JSON.parse(text), call)
  return undefined
}

function answerProblem(from: Samples, to: Samples, random: Random): string | undefined {
  const said = textOf(mutatedJson(pick(random, to.answers), random))
  const body = jsonOf(said)
  const error = to.codec.readError(500, body)
  JSON.parse(from.codec.writeError(error, 'r'))
  const read = to.codec.readAnswer(body, context)
  if (read.ok) JSON.parse(from.codec.writeAnswer(read.value))
  const bytes = mutatedBytes(Buffer.from(said), random)
  dialectNamed(to.name).readTokens({ head: bytes, tail: bytes, events: random() < 0.5 })
  return undefined
}

function streamProblem(from: Samples, to: Samples, random: Random): string | undefined {
  const bytes = mutatedStream(pick(random, to.streams), random)
  const dialect = dialectNamed(to.name)
  dialect.readTokens({ head: bytes, tail: bytes, events: true })
  dialect.endsWell(bytes.subarray(-dialect.tailBytes))
  const whole = crossed(from, to, [bytes])
  const cut = crossed(from, to, inPieces(bytes, random))
  if (whole.text !== cut.text || whole.isWhole !== cut.isWhole) {
    return `a stream says another thing when it is cut: ${JSON.stringify(bytes.toString())}`
  }
  const most = bytes.length * GROWTH_MOST * GROWTH_MOST + ADDED_BYTES_MOST
  if (whole.text.length > most) return `a stream of ${whole.text.length} characters of ${most}`
  const seen = Buffer.from(whole.text)
  if (whole.isWhole && !ends(dialectNamed(from.name), seen)) return 'a whole stream has no end'
  return undefined
}

function ends(dialect: Dialect, seen: Buffer): boolean {
  return dialect.endsWell(seen.subarray(-dialect.tailBytes))
}

/** As a proxy relays it: the text stops where it cannot be gone on with. */
function crossed(from: Samples, to: Samples, pieces: readonly Buffer[]) {
  const reader = to.codec.streamReader(context)
  const writer = from.codec.streamWriter(context)
  let text = ''
  const take = (parts: ReturnType<typeof reader.read>): boolean => {
    for (const part of parts) {
      if (part.kind === 'failed') return false
      const written = writer.write(part.chunk)
      if (!written.ok) return false
      text += written.value
    }
    return true
  }
  for (const piece of pieces) if (!take(reader.read(piece))) return { text, isWhole: false }
  const isWhole = take(reader.end()) && reader.whole
  return { text: isWhole ? text + writer.end() : text, isWhole }
}
