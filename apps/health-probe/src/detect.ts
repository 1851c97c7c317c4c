import { type Kind } from '@signalbox/model'
import { kindTraits, upstreamOrigin, upstreamPath } from '@signalbox/dialects'

/** A backend that can be seen from here on a first start. */
export interface Detected {
  readonly id: string
  readonly kind: Kind
  readonly url: string
  /** From the environment; never shown. */
  readonly apiKey?: string
}

/** Where local servers listen unless told otherwise. */
const LOCAL: readonly Detected[] = [
  { id: 'ollama', kind: 'ollama', url: 'http://127.0.0.1:11434' },
  { id: 'lmstudio', kind: 'lmstudio', url: 'http://127.0.0.1:1234' },
  { id: 'vllm', kind: 'vllm', url: 'http://127.0.0.1:8000' },
]

const HOSTED: readonly (Detected & { readonly variable: string })[] = [
  { id: 'openai', kind: 'openai', url: 'https://api.openai.com', variable: 'OPENAI_API_KEY' },
  {
    id: 'anthropic',
    kind: 'anthropic',
    url: 'https://api.anthropic.com',
    variable: 'ANTHROPIC_API_KEY',
  },
  {
    id: 'gemini',
    kind: 'gemini',
    url: 'https://generativelanguage.googleapis.com/v1beta/openai',
    variable: 'GEMINI_API_KEY',
  },
]

const DETECT_TIMEOUT_MS = 500
const MODELS_BYTES_MAX = 1_048_576

type Env = Readonly<Record<string, string | undefined>>

/**
 * Local servers that answer with a list of models, and hosted ones whose key the environment holds.
 */
export async function detectBackends(
  env: Env,
  places: readonly Detected[] = LOCAL,
): Promise<readonly Detected[]> {
  const local = await Promise.all(
    places.map(async (one) => ((await servesModels(one)) ? [one] : [])),
  )
  const hosted = HOSTED.flatMap(({ variable, ...one }) => {
    const apiKey = env[variable]?.trim()
    return apiKey ? [{ ...one, apiKey }] : []
  })
  return [...local.flat(), ...hosted]
}

/**
 * Whether something at this address speaks the kind's dialect: any other server on the port is
 * left alone.
 */
async function servesModels({ kind, url }: Detected): Promise<boolean> {
  const traits = kindTraits(kind)
  try {
    const signal = AbortSignal.timeout(DETECT_TIMEOUT_MS)
    const answer = await fetch(upstreamOrigin(url) + upstreamPath(url, traits.discoveryPath), {
      signal,
      redirect: 'error',
    })
    const text = answer.ok && answer.body ? await readBounded(answer.body) : undefined
    if (text === undefined) return false
    return traits.dialect.readModels(JSON.parse(text)) !== undefined
  } catch {
    return false
  }
}

/** The text; undefined where it is longer than a list of models is. Reads no further than that. */
async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body) {
    bytes += part.length
    if (bytes > MODELS_BYTES_MAX) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
