// One wrong body or answer, sent through a proxy on real sockets.
import { type Dialect, dialectNamed } from '@signalbox/dialects'
import { type Log, silentLog } from '@signalbox/host'
import { type MockBackend, startMockBackend } from '@signalbox/testing'
import { apply, base, closeProxy, openProxy } from '../../apps/proxy/src/proxy-harness.ts'
import { mutatedBytes, mutatedJson, mutatedStream, pick, type Random, textOf } from './mutate.ts'
import { type Samples } from './samples.ts'

/** Far longer than anything here takes: then it hangs. */
const HANGS_MS = 60_000
const OWN_FAULT = 500

const MODELS: Readonly<Record<string, string>> = {
  ...{ openai: 'm1', anthropic: 'claude', gemini: 'gemini-3-pro', ollama: 'qwen' },
}

/** A backend of each dialect behind one proxy, whose faults are noted. */
export interface Place {
  readonly backends: Readonly<Record<string, MockBackend>>
  readonly faults: string[]
  close(): Promise<void>
}

export async function openPlace(): Promise<Place> {
  const faults: string[] = []
  const error = (fields: object, message: string) =>
    void faults.push(`${message}: ${JSON.stringify(fields)}`)
  const log: Log = { ...silentLog, error }
  await openProxy({ log })
  const [gpt, claude, google, llama] = await Promise.all(
    Object.values(MODELS).map(() => startMockBackend({ models: [], record: false })),
  )
  if (!gpt || !claude || !google || !llama) throw new Error('no backends')
  const all = [
    ['openai', 'm1', gpt],
    ['anthropic', 'claude', claude],
    ['gemini', 'gemini-3-pro', google],
    ['ollama-native', 'qwen', llama],
  ] as const
  for (const [kind, model, { url }] of all) {
    await apply('backend', model, { kind, url, models: [model], health: { enabled: false } })
  }
  // The one that keeps what it is asked, which is too much here.
  await apply('backend', 'b1', null)
  await apply('policy', 'default', { breaker: { enabled: false }, translation: 'lenient' })
  const close = async () => {
    await closeProxy()
    await Promise.all(all.map(([, , one]) => one.stop()))
  }
  const backends = { openai: gpt, anthropic: claude, gemini: google, ollama: llama }
  return { backends, faults, close }
}

/** What is wrong with how it was answered, or nothing. */
export async function proxyProblem(
  place: Place,
  samples: readonly Samples[],
  random: Random,
): Promise<string | undefined> {
  const [from, to] = [pick(random, samples), pick(random, samples)]
  const streams = random() < 0.6
  answerWrongly(place, { to, streams }, random)
  const model = MODELS[to.name] ?? ''
  const known = pick(random, from.bodies) as object
  const asked = { ...known, model, ...(from.name === 'gemini' ? {} : { stream: streams }) }
  const isWrong = random() < 0.5
  const text = textOf(isWrong ? mutatedJson(asked, random) : asked)
  const isCut = isWrong && random() < 0.3
  const body = isCut ? new Uint8Array(mutatedBytes(Buffer.from(text), random)) : text
  const before = place.faults.length
  const path = pathOf(from.name, model, streams)
  const problem = await heardProblem(dialectNamed(from.name), path, body)
  return place.faults[before] ?? problem
}

function pathOf(name: string, model: string, streams: boolean): string {
  if (name === 'openai') return '/v1/chat/completions'
  if (name === 'anthropic') return '/v1/messages'
  if (name === 'ollama') return '/api/chat'
  return `/v1beta/models/${model}:${streams ? 'streamGenerateContent?alt=sse' : 'generateContent'}`
}

function answerWrongly(
  { backends }: Place,
  { to, streams }: { readonly to: Samples; readonly streams: boolean },
  random: Random,
): void {
  const status = pick(random, [200, 200, 200, 200, 400, 404, 429, 503])
  const isStream = status === 200 && (random() < 0.9 ? streams : !streams)
  const type = isStream ? to.codec.streamType : 'application/json'
  const json = () => Buffer.from(textOf(mutatedJson(pick(random, to.answers), random)))
  const whole = isStream ? mutatedStream(pick(random, to.streams), random) : json()
  const bytes = random() < 0.2 ? mutatedBytes(whole, random) : whole
  const half = Math.floor(random() * bytes.length)
  const breaks = random() < 0.1
  const one = backends[to.name]
  one?.heal()
  one?.answerWith((_request, response) => {
    response.writeHead(status, { 'content-type': type, 'retry-after': '0' })
    response.write(bytes.subarray(0, half))
    if (breaks) response.socket?.destroySoon()
    else response.end(bytes.subarray(half))
  })
}

async function heardProblem(
  dialect: Dialect,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(HANGS_MS)
  const headers = { 'content-type': 'application/json' }
  const bytes: Uint8Array[] = []
  let answer: Response | undefined
  try {
    answer = await fetch(base + path, { method: 'POST', headers, body, signal })
    for await (const part of answer.body ?? []) bytes.push(part as Uint8Array)
  } catch (error) {
    // A connection that breaks is how a client hears of a stream that is not whole.
    return signal.aborted ? `no end within ${HANGS_MS} ms: ${String(error)}` : undefined
  }
  if (answer.status === OWN_FAULT) return `a 500 of ours: ${Buffer.concat(bytes).toString()}`
  const type = answer.headers.get('content-type') ?? ''
  if (answer.status !== 200 || !type.startsWith(dialect.chat.streamType)) return undefined
  const tail = Buffer.concat(bytes).subarray(-dialect.tailBytes)
  if (dialect.endsWell(tail)) return undefined
  return `a stream ended as if it were whole: ${tail.toString()}`
}
