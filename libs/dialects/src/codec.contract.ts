import fc from 'fast-check'
import { type AnswerContext, type ChatAnswer, type ChatChunk, type ChatRequest } from './chat.ts'
import { type ChatCodec, type StreamPart } from './codec.ts'
import { type Dialect } from './dialect.ts'
import {
  answers,
  type Can,
  chunkSequences,
  joined,
  requests,
  wantedOf,
} from './hub-values.harness.ts'

export const context: AnswerContext = {
  id: 'given-1',
  model: 'm1',
  createdS: 1_700_000_000,
  includeUsage: true,
}
const RUNS = { numRuns: 150 }
const utf8 = new TextEncoder()

/** What a dialect's own spec hands to the contract. */
export interface CodecExamples {
  readonly dialect: Dialect
  /** What it can express beside text and tools. */
  readonly can: Can
}

/** Reads a stream whose bytes come in these pieces. */
export function readPieces(codec: ChatCodec, pieces: readonly Uint8Array[]) {
  const reader = codec.streamReader(context)
  const parts: StreamPart[] = []
  for (const piece of pieces) parts.push(...reader.read(piece))
  parts.push(...reader.end())
  const chunks = parts.flatMap((part) => (part.kind === 'chunk' ? [part.chunk] : []))
  const failed = parts.find((part) => part.kind === 'failed')
  return { chunks, failed, whole: reader.whole }
}

export function readText(codec: ChatCodec, text: string) {
  return readPieces(codec, [utf8.encode(text)])
}

export function writeChunks(codec: ChatCodec, chunks: readonly ChatChunk[]): string {
  const writer = codec.streamWriter(context)
  const texts = chunks.map((chunk) => {
    const written = writer.write(chunk)
    if (!written.ok) throw new Error(JSON.stringify(written.error))
    return written.value
  })
  return texts.join('') + writer.end()
}

function strictly<Value>(result: { ok: true; value: Value } | { ok: false; error: unknown }) {
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

/** There and back: as another proxy would read what this one wrote. */
function roundTrip(codec: ChatCodec, chat: ChatRequest) {
  const written = strictly(codec.writeRequest(chat, { lenient: false }))
  const call = { lenient: false, model: chat.model, stream: chat['stream'] === true }
  const read = strictly(codec.readRequest(JSON.parse(JSON.stringify(written.body)), call))
  return { read: read.chat, dropped: [...written.dropped, ...read.dropped] }
}

/** What every translation must do. Call it in the dialect's spec. */
export function describeCodec({ dialect, can }: CodecExamples): void {
  const codec = dialect.chat

  describe(`the translation of ${dialect.name}`, () => {
    it('keeps what a request means, there and back', () => {
      fc.assert(
        fc.property(requests(can), (chat) => {
          const { read, dropped } = roundTrip(codec, chat)
          expect(wantedOf(read)).toEqual(wantedOf(chat))
          expect(dropped).toEqual([])
        }),
        RUNS,
      )
    })

    it('keeps what an answer means, there and back', () => {
      fc.assert(
        fc.property(answers(can), (answer: ChatAnswer) => {
          const body: unknown = JSON.parse(codec.writeAnswer(answer))
          expect(strictly(codec.readAnswer(body, context)).choices).toEqual(answer.choices)
          expect(strictly(codec.readAnswer(body, context)).usage).toEqual(answer.usage)
        }),
        RUNS,
      )
    })

    it('keeps what a stream says, there and back', () => {
      fc.assert(
        fc.property(chunkSequences(can), (chunks) => {
          const read = readText(codec, writeChunks(codec, chunks))
          expect([read.whole, read.failed]).toEqual([true, undefined])
          expect(joined(read.chunks)).toEqual(joined(chunks))
        }),
        RUNS,
      )
    })

    it('reads a stream alike, wherever its bytes are cut', () => {
      fc.assert(
        fc.property(chunkSequences(can), fc.boolean(), (chunks, crlf) => {
          const text = writeChunks(codec, chunks)
          const bytes = utf8.encode(crlf ? text.replaceAll('\n', '\r\n') : text)
          const whole = readPieces(codec, [bytes])
          const single = [...bytes].map((byte) => Uint8Array.of(byte))
          expect(readPieces(codec, single)).toEqual(whole)
          const at = chunks.length % bytes.length
          const halves = [bytes.subarray(0, at), bytes.subarray(at)]
          expect(readPieces(codec, halves)).toEqual(whole)
        }),
        { numRuns: 30 },
      )
    })

    it('reads a stream alike for each place of one cut', () => {
      const [chunks = []] = fc.sample(chunkSequences(can), { numRuns: 1, seed: 7 })
      const bytes = utf8.encode(writeChunks(codec, chunks))
      const whole = readPieces(codec, [bytes])
      for (let at = 0; at <= bytes.length; at++) {
        const halves = [bytes.subarray(0, at), bytes.subarray(at)]
        expect([at, readPieces(codec, halves)]).toEqual([at, whole])
      }
    })

    it('never takes a stream for whole that broke off before its last event', () => {
      fc.assert(
        fc.property(chunkSequences(can), fc.nat(), (chunks, pick) => {
          const bytes = utf8.encode(writeChunks(codec, chunks))
          const text = new TextDecoder().decode(bytes).trimEnd()
          const lastLine = utf8.encode(text.slice(0, text.search(/[^\r\n]*$/))).length
          const end = pick % (lastLine + 1)
          expect(readPieces(codec, [bytes.subarray(0, end)]).whole).toBe(false)
        }),
        RUNS,
      )
    })

    it('ends well for who relays what it wrote', () => {
      fc.assert(
        fc.property(chunkSequences(can), (chunks) => {
          const bytes = utf8.encode(writeChunks(codec, chunks))
          expect(dialect.endsWell(bytes.slice(-dialect.tailBytes))).toBe(true)
        }),
        RUNS,
      )
    })

    it('says an error inside a stream in a way that it reads as a failure', () => {
      const error = { status: 429, message: 'slow é', type: null, code: null, param: null }
      const read = readText(codec, codec.writeStreamError(error, 'r-1'))
      expect(read).toMatchObject({ whole: false, failed: { error: { message: 'slow é' } } })
    })

    it('says an error in a way that it reads itself', () => {
      const error = { status: 404, message: 'no such', type: null, code: null, param: null }
      const body: unknown = JSON.parse(codec.writeError(error, 'r-1'))
      expect(codec.readError(404, body)).toMatchObject({ status: 404, message: 'no such' })
    })

    it('takes any body for an error, an answer or a request, and never throws', () => {
      fc.assert(
        fc.property(fc.jsonValue(), fc.boolean(), (body, lenient) => {
          expect(typeof codec.readError(500, body).message).toBe('string')
          expect(typeof codec.readAnswer(body, context).ok).toBe('boolean')
          expect(typeof codec.readRequest(body, { lenient, model: 'm' }).ok).toBe('boolean')
        }),
        RUNS,
      )
    })

    it('answers a request that was changed anywhere with a request or a named field', () => {
      fc.assert(
        fc.property(requests(can), mutations, fc.boolean(), (chat, mutate, lenient) => {
          const changed = mutate(chat) as ChatRequest
          const written = codec.writeRequest(changed, { lenient })
          if (!written.ok) return void expect(written.error.field).not.toBe('')
          const body = mutate(written.value.body)
          const read = codec.readRequest(body, { lenient, model: 'm' })
          if (!read.ok) expect(read.error.field).not.toBe('')
        }),
        { numRuns: 400 },
      )
    })

    it('reads any bytes as a stream without a throw', () => {
      fc.assert(
        fc.property(chunkSequences(can), fc.uint8Array({ maxLength: 40 }), (chunks, noise) => {
          const bytes = utf8.encode(writeChunks(codec, chunks))
          const at = (noise[0] ?? 0) % bytes.length
          const pieces = [bytes.subarray(0, at), noise, bytes.subarray(at)]
          expect(typeof readPieces(codec, pieces).whole).toBe('boolean')
        }),
        RUNS,
      )
    })

    it('names a field that it does not know, or drops and lists it where it may', () => {
      const chat = { model: 'm', messages: [{ role: 'user', content: 'x' }], brand_new: 1 }
      const strict = codec.writeRequest(chat, { lenient: false })
      if (dialect.name === 'openai') return expect(strict.ok).toBe(true)
      expect(strict).toMatchObject({ ok: false, error: { field: 'brand_new' } })
      const lenient = codec.writeRequest(chat, { lenient: true })
      expect(lenient).toMatchObject({ ok: true, value: { dropped: ['brand_new'] } })
    })
  })
}

/** Puts another value, or none, into one place of a value. */
const mutations = fc
  .record({ pick: fc.nat(), value: fc.jsonValue({ maxDepth: 2 }), remove: fc.boolean() })
  .map(({ pick, value, remove }) => (whole: unknown): unknown => {
    const copy: unknown = structuredClone(whole)
    const places: (readonly [Record<string, unknown>, string])[] = []
    const visit = (one: unknown) => {
      if (typeof one !== 'object' || one === null) return
      for (const name of Object.keys(one)) {
        const holder = one as Record<string, unknown>
        places.push([holder, name])
        visit(holder[name])
      }
    }
    visit(copy)
    const place = places[pick % Math.max(1, places.length)]
    if (place && remove && !Array.isArray(place[0])) Reflect.deleteProperty(place[0], place[1])
    else if (place) place[0][place[1]] = value
    return copy
  })
