import { type ChatCodec, type DialectName, dialectNamed } from '@signalbox/dialects'
import fc from 'fast-check'
import { context, writeChunks } from '../../libs/dialects/src/codec.contract.ts'
import {
  answers,
  type Can,
  chunkSequences,
  requests,
} from '../../libs/dialects/src/hub-values.harness.ts'

const SAMPLES = 60
export const NAMES: readonly DialectName[] = ['openai', 'anthropic', 'gemini', 'ollama']

/** More than any dialect can express: what one refuses is left out of its samples. */
const CAN: Can = {
  thinking: true,
  images: 'data and address',
  toolChoice: true,
  parallelSwitch: true,
  schema: true,
  seed: true,
  penalties: true,
  user: true,
  cachedTokens: true,
  reasoningTokens: true,
  cacheWrites: true,
  effort: true,
}
const LESS: Can = { ...CAN, images: 'none', toolChoice: false, parallelSwitch: false, seed: false }
const LEAST: Can = { ...LESS, penalties: false, user: false, thinking: false }

/** What clients and backends of one dialect say, before anything is wrong with it. */
export interface Samples {
  readonly name: DialectName
  readonly codec: ChatCodec
  readonly bodies: readonly unknown[]
  readonly answers: readonly unknown[]
  readonly streams: readonly string[]
}

export function samplesOf(seed: number): readonly Samples[] {
  return NAMES.map((name) => {
    const codec = dialectNamed(name).chat
    const all = [CAN, LESS, LEAST].flatMap((can) => fc.sample(requests(can), asked(seed)))
    const bodies = all.flatMap((chat) => {
      const written = codec.writeRequest(chat, { lenient: false })
      return written.ok ? [written.value.body] : []
    })
    return {
      ...{ name, codec, bodies },
      answers: fc
        .sample(answers(CAN), asked(seed))
        .map((answer) => JSON.parse(codec.writeAnswer(answer)) as unknown),
      streams: fc
        .sample(chunkSequences(CAN), asked(seed))
        .map((chunks) => writeChunks(codec, chunks)),
    }
  })
}

function asked(seed: number) {
  return { numRuns: SAMPLES, seed }
}

export { context }
