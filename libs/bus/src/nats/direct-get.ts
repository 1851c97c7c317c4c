import { jetstreamManager, type StoredMsg } from '@nats-io/jetstream'
import {
  type NatsConnection,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node'

/**
 * A direct get of a stream that does not exist is never answered, not even by "no responders". Well
 * under the deadline, so that there is time to ask why.
 */
const GET_TIMEOUT_MS = 1_000

export interface Get {
  readonly stream: string
  /** The message of this number; with `subject`, the first of that subject from there on. */
  readonly seq: number
  readonly subject?: string
}

/**
 * What a stream holds, from any replica: the only call that a follower needs, and the only one it
 * is given (permissions.ts). null where there is nothing (a replica that lags says so, too) and
 * where there is no stream.
 */
export async function directGet(
  nc: NatsConnection,
  { stream, seq, subject }: Get,
): Promise<StoredMsg | null> {
  const jsm = await jetstreamManager(nc, { timeout: GET_TIMEOUT_MS, checkAPI: false })
  try {
    const query = subject === undefined ? { seq } : { seq, next_by_subj: subject }
    return await jsm.direct.getMessage(stream, query)
  } catch (error) {
    if (isUnanswered(error)) return null
    if (!(error instanceof TimeoutError)) throw error
    // No stream, or no broker: the second does not answer this either, until the caller gives up.
    await nc.flush()
    return null
  }
}

/** Nobody serves that subject: no such stream. */
export function isUnanswered(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (cause instanceof NoRespondersError) return true
  return cause instanceof RequestError && cause.isNoResponders()
}
