import { Pool } from 'undici'
import { chatBody } from './product.ts'

export interface LoadOptions {
  readonly url: string
  readonly connections: number
  readonly model: string
  /** Of so many requests one is a stream. */
  readonly streamEvery: number
}

export interface LoadCount {
  readonly requests: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
  /** Why a request failed, and how often. */
  readonly failures: ReadonlyMap<string, number>
}

const DONE = 'data: [DONE]\n\n'

/**
 * Closed loop: each connection sends its next request when it has the whole answer to the one
 * before. Runs until it is stopped; what is under way then is still counted.
 */
export function startLoad({ url, connections, model, streamEvery }: LoadOptions): {
  stop(): Promise<LoadCount>
} {
  const pool = new Pool(url, { connections, pipelining: 1 })
  const latenciesMs: number[] = []
  const failures = new Map<string, number>()
  const startMs = performance.now()
  let running = true
  let sent = 0
  const worker = async () => {
    while (running) {
      const stream = ++sent % streamEvery === 0
      const beginMs = performance.now()
      const problem = await send(pool, { stream, model }).catch((error: unknown) => String(error))
      latenciesMs.push(performance.now() - beginMs)
      if (problem) failures.set(problem, (failures.get(problem) ?? 0) + 1)
    }
  }
  const workers = Array.from({ length: connections }, worker)
  return {
    stop: async () => {
      running = false
      await Promise.all(workers)
      const seconds = (performance.now() - startMs) / 1_000
      await pool.close()
      return { requests: latenciesMs.length, seconds, latenciesMs, failures }
    },
  }
}

/** Undefined where the answer is whole. */
async function send(
  pool: Pool,
  { stream, model }: { stream: boolean; model: string },
): Promise<string | undefined> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: chatBody(stream, model),
  })
  const text = await body.text()
  if (statusCode !== 200) return `status ${statusCode}`
  if (stream && !text.endsWith(DONE)) return 'a stream that does not end well'
  if (!stream && !text.includes('"finish_reason":"stop"')) return 'an answer that is not whole'
  return undefined
}
