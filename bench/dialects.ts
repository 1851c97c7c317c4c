import {
  type AnswerContext,
  type ChatChunk,
  type ChatCodec,
  type ChatRequest,
  type Dialect,
  type DialectName,
  dialectNamed,
} from '@signalbox/dialects'
import { type Result } from '@signalbox/model'
import { type Figure, quantile } from './figure.ts'

const NAMES: readonly DialectName[] = ['openai', 'anthropic', 'gemini', 'ollama']
const CHATS = { rounds: 60, runs: 200, warmUp: 20, mostUs: 60 }
const STREAMS = { rounds: 60, runs: 10, warmUp: 20, mostUs: 10 }
/** The clock of a thread may tick in steps of 4 ms: so many are measured together. */
const LARGE = { rounds: 40, runs: 10, warmUp: 5, mostMs: 5 }
const US_PER_MS = 1_000
const CHAT_BYTES = 1_536
const LARGE_BYTES = 200 * 1_024
const PIECES = 200

const context: AnswerContext = {
  id: 'r1',
  model: 'm1',
  createdS: 1_700_000_000,
  includeUsage: true,
}
const strict = { lenient: false }
const usage = { prompt_tokens: 400, completion_tokens: 90, total_tokens: 490 }

/**
 * What a translation costs on top of passing bytes, without I/O: of each pair of dialects a chat
 * with its answer, a chunk of a stream, and a body of 200 KB. In processor time of this thread,
 * which what else runs on the machine hardly changes.
 */
export async function dialects(say: (line: string) => void): Promise<readonly Figure[]> {
  const pairs = NAMES.flatMap((from) =>
    NAMES.filter((to) => to !== from).map((to) => [dialectNamed(from), dialectNamed(to)] as const),
  )
  return pairs.flatMap(([from, to]) => {
    say(`${from.name} to ${to.name}`)
    return [chatFigure(from, to), streamFigure(from, to), largeFigure(from, to)]
  })
}

type Pair = readonly [from: Dialect, to: Dialect]

function nameOf(what: string, [from, to]: Pair): string {
  return `${what}, ${from.name} to ${to.name}`
}

function chatFigure(...[from, to]: Pair): Figure {
  const body = bodyOf(from.chat, chatOf(CHAT_BYTES))
  const answered = Buffer.from(to.chat.writeAnswer(ANSWER))
  const one = () => {
    crossRequest([from, to], body)
    const read = must(to.chat.readAnswer(JSON.parse(answered.toString()), context))
    Buffer.from(from.chat.writeAnswer(read))
  }
  const value = quantile(measure(CHATS, one), 0.5)
  const name = nameOf('chat of 1.5 KB and its answer, median', [from, to])
  return { name, value, unit: 'µs', better: 'less', most: CHATS.mostUs }
}

function streamFigure(...[from, to]: Pair): Figure {
  const writer = to.chat.streamWriter(context)
  const pieces = CHUNKS.map((chunk) => Buffer.from(must(writer.write(chunk)))).filter(
    ({ length }) => length > 0,
  )
  pieces.push(Buffer.from(writer.end()))
  const one = () => {
    const reader = to.chat.streamReader(context)
    const out = from.chat.streamWriter(context)
    for (const piece of pieces) {
      for (const part of reader.read(piece)) {
        if (part.kind === 'chunk') Buffer.from(must(out.write(part.chunk)))
      }
    }
    Buffer.from(out.end())
    if (!reader.whole) throw new Error('the stream is not whole')
  }
  const value = quantile(measure(STREAMS, one), 0.5) / pieces.length
  const name = nameOf('chunk of a stream, median', [from, to])
  return { name, value, unit: 'µs', better: 'less', most: STREAMS.mostUs }
}

function largeFigure(...[from, to]: Pair): Figure {
  const body = bodyOf(from.chat, chatOf(LARGE_BYTES))
  const ms = measure(LARGE, () => crossRequest([from, to], body)).map((us) => us / US_PER_MS)
  const name = nameOf('body of 200 KB, means of ten, 90th of 100', [from, to])
  return { name, value: quantile(ms, 0.9), unit: 'ms', better: 'less', most: LARGE.mostMs }
}

/** As a proxy does it: from bytes to bytes. */
function crossRequest([from, to]: Pair, body: Buffer): void {
  const call = { ...strict, model: 'm1', stream: false }
  const { chat } = must(from.chat.readRequest(JSON.parse(body.toString()), call))
  Buffer.from(JSON.stringify(must(to.chat.writeRequest(chat, strict)).body))
}

function bodyOf(codec: ChatCodec, chat: ChatRequest): Buffer {
  return Buffer.from(JSON.stringify(must(codec.writeRequest(chat, strict)).body))
}

/** Microseconds of one run, of each round. */
function measure(
  { rounds, runs, warmUp }: { rounds: number; runs: number; warmUp: number },
  run: () => void,
): readonly number[] {
  const all: number[] = []
  for (let round = -warmUp; round < rounds; round++) {
    const before = process.threadCpuUsage()
    for (let n = 0; n < runs; n++) run()
    const { user, system } = process.threadCpuUsage(before)
    if (round >= 0) all.push((user + system) / runs)
  }
  return all
}

function must<Value>(result: Result<Value, unknown>): Value {
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const WORDS = 'What "else" is there to say about it, überhaupt?\n'

/** A conversation of so many bytes in OpenAI's form: text, tools, calls and their results. */
function chatOf(bytes: number): ChatRequest {
  const tools = ['find', 'read'].map((name) => ({
    type: 'function',
    function: {
      name,
      description: `Can ${name} something.`,
      parameters: { type: 'object', properties: { what: { type: 'string' } }, required: ['what'] },
    },
  }))
  const system = { role: 'system', content: 'Be brief.' }
  const about = { model: 'm1', max_tokens: 60_000, temperature: 0.5, tools }
  const messages: object[] = [system]
  const chat = { ...about, messages } as ChatRequest
  for (let n = 0; JSON.stringify(chat).length < bytes; n++) {
    const call = { name: 'find', arguments: JSON.stringify({ what: WORDS }) }
    messages.push({ role: 'user', content: WORDS.repeat(1 + (n % 8)) })
    messages.push({
      role: 'assistant',
      content: WORDS,
      tool_calls: [{ id: `call_${n}`, type: 'function', function: call }],
    })
    messages.push({ role: 'tool', tool_call_id: `call_${n}`, content: WORDS })
  }
  return chat
}

const ANSWER = {
  ...{ id: 'a1', createdS: 1_700_000_000, model: 'm1', usage },
  choices: [
    {
      index: 0,
      message: { role: 'assistant' as const, content: WORDS.repeat(8) },
      finish_reason: 'stop' as const,
    },
  ],
}

const CHUNKS: readonly ChatChunk[] = [
  ...Array.from({ length: PIECES }, () => chunkOf({ delta: { content: ' word"é' } })),
  chunkOf({ delta: {}, finish_reason: 'stop' }),
  { id: 'a1', createdS: 1_700_000_000, model: 'm1', choices: [], usage },
]

function chunkOf(choice: Omit<ChatChunk['choices'][0], 'index'>): ChatChunk {
  const choices = [{ index: 0, ...choice }]
  return { id: 'a1', createdS: 1_700_000_000, model: 'm1', choices }
}
