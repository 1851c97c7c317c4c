import { once } from 'node:events'
import { type ServerResponse } from 'node:http'
import { type KeptAnswer } from './kept-answer.ts'

/** Gives an answer again, no faster than its client reads. Resolves when it is over or left. */
export async function replay(
  response: ServerResponse,
  { status, headers, chunks }: KeptAnswer,
  ownHeaders: readonly string[],
): Promise<void> {
  response.writeHead(status, [...ownHeaders, ...headers])
  const closed = new AbortController()
  const onClose = () => closed.abort()
  response.once('close', onClose)
  try {
    for (const chunk of chunks) {
      if (response.destroyed) return
      if (response.write(chunk)) continue
      await once(response, 'drain', { signal: closed.signal })
    }
    response.end()
  } catch (error) {
    if (!closed.signal.aborted) throw error
  } finally {
    response.off('close', onClose)
  }
}
