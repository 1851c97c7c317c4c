import {
  DiscardPolicy,
  type JetStreamManager,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream'
import {
  type NatsConnection,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node'
import { type Head, type RevisionMessage } from '@signalbox/model'
import {
  BusUnavailable,
  type FetchOutcome,
  type OpenedLog,
  type PublishOutcome,
  REQUEST_DEADLINE_MS,
  REVISIONS_PER_FETCH,
} from '../bus.ts'
import { emptyHead, headOf, judgeStream, type StreamOwner } from '../stream-rules.ts'
import { type Subjects } from './subjects.ts'
import { readRevision, revisionPayload } from './wire.ts'

/*
 * The stream's sequence IS the revision: the first message of an empty stream must be revision 1,
 * and each publish expects revision - 1 as the last sequence. So any number of publishers may race,
 * a retry can do no harm, and there is no base that could be taken from another incarnation of the
 * stream. The owner (lineage, epoch) stands in the description: before 2.10 there is no metadata.
 * Not used: Nats-Msg-Id (its window forgets, and it answers "duplicate" before it looks at the
 * sequence) and Nats-Expected-Last-Msg-Id (forgotten when a quiet broker restarts).
 */

/** A follower that is further behind takes a snapshot. */
export const STREAM_REVISIONS_MAX = 100_000
/** Direct gets under way at once, in one call of read(). */
const GETS_IN_FLIGHT = 32
/**
 * A direct get of a stream that does not exist is never answered, not even by "no responders". Well
 * under the deadline, so that there is time to ask why.
 */
const GET_TIMEOUT_MS = 1_000
/** Racing publishers may drop and make the stream under each other's hands. */
const OPEN_ATTEMPTS = 3

const API = { timeout: REQUEST_DEADLINE_MS, checkAPI: false }
const EXPECTED_STREAM_MISMATCH = 10_060

export interface StreamPlace {
  readonly nc: NatsConnection
  readonly subjects: Subjects
}

/** Bus.openStream(). `onReplace` runs after a stream was dropped that was not this log's. */
export async function openStream(
  place: StreamPlace & { readonly replicas: number },
  log: OpenedLog,
  onReplace: () => Promise<void>,
): Promise<Head> {
  const jsm = await jetstreamManager(place.nc, API)
  let rebuild = log.rebuild ?? false
  for (let attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
    const info = await streamInfo(jsm, place.subjects.stream)
    const verdict = judgeStream(info && ownerOf(info), { ...log, rebuild })
    const end = verdict === 'keep' && info ? await endOf(jsm, info) : undefined
    if (end) return end
    if (info) {
      await dropStream(jsm, place.subjects.stream)
      await onReplace()
      rebuild = false
    }
    await createStream(jsm, place, log)
  }
  throw new BusUnavailable('other publishers keep replacing the stream')
}

/** Bus.publishRevision(). */
export async function publish(
  { nc, subjects }: StreamPlace,
  message: RevisionMessage,
): Promise<PublishOutcome> {
  const js = jetstream(nc, API)
  try {
    const { data, headers } = revisionPayload(message)
    const ack = await js.publish(subjects.revision(message.revision), data, {
      headers,
      expect: { lastSequence: message.revision - 1, streamName: subjects.stream },
      timeout: REQUEST_DEADLINE_MS,
    })
    if (ack.seq === message.revision) return { kind: 'stored' }
    throw new Error(`revision ${message.revision} was stored as sequence ${ack.seq}`)
  } catch (error) {
    if (isConflict(error)) return { kind: 'conflict' }
    throw error
  }
}

/** Bus.revisions(): direct gets, which any replica answers, not one consumer per follower. */
export async function read(
  place: StreamPlace,
  range: { readonly from: number; readonly to: number },
): Promise<FetchOutcome> {
  const { nc, subjects } = place
  const jsm = await jetstreamManager(nc, { ...API, timeout: GET_TIMEOUT_MS })
  const to = Math.min(range.to, range.from + REVISIONS_PER_FETCH - 1)
  const first = await getRevision(jsm, subjects.stream, range.from)
  if (first === 'malformed') return { kind: 'gone' }
  if (!first) return whyMissing(jsm, subjects.stream, range.from)
  const messages = [first]
  for (let at = range.from + 1; at <= to; at += GETS_IN_FLIGHT) {
    const count = Math.min(GETS_IN_FLIGHT, to - at + 1)
    const gets = Array.from({ length: count }, (_, i) => getRevision(jsm, subjects.stream, at + i))
    for (const got of await Promise.all(gets)) {
      if (!got || got === 'malformed') return { kind: 'found', messages }
      messages.push(got)
    }
  }
  return { kind: 'found', messages }
}

async function getRevision(
  jsm: JetStreamManager,
  stream: string,
  revision: number,
): Promise<RevisionMessage | 'malformed' | null> {
  try {
    const stored = await jsm.direct.getMessage(stream, { seq: revision })
    if (!stored) return null
    const message = readRevision({ headers: stored.header, data: stored.data })
    return message?.revision === revision ? message : 'malformed'
  } catch (error) {
    if (isUnanswered(error) || error instanceof TimeoutError) return null
    throw error
  }
}

/** Nothing at a revision: not yet, no more, or this replica lags (then nothing is known). */
async function whyMissing(
  jsm: JetStreamManager,
  stream: string,
  revision: number,
): Promise<FetchOutcome> {
  const info = await streamInfo(jsm, stream)
  // No stream is an empty one: its publisher will make it.
  if (!info || revision > info.state.last_seq) return { kind: 'found', messages: [] }
  if (revision < info.state.first_seq) return { kind: 'gone' }
  throw new BusUnavailable(`revision ${revision} is stored but was not answered`)
}

async function streamInfo(jsm: JetStreamManager, stream: string): Promise<StreamInfo | null> {
  try {
    return await jsm.streams.info(stream)
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return null
    throw error
  }
}

/** Where a stream ends; undefined where what it ends with is no revision of its owner. */
async function endOf(jsm: JetStreamManager, info: StreamInfo): Promise<Head | undefined> {
  const owner = ownerOf(info)
  if (info.state.last_seq === 0) return emptyHead(owner)
  // From the leader: a direct get may be answered by a replica that lags.
  const stored = await jsm.streams.getMessage(info.config.name, { seq: info.state.last_seq })
  const last = stored && readRevision({ headers: stored.header, data: stored.data })
  const ours = last?.revision === info.state.last_seq && last.lineage === owner.lineage
  return last && ours ? headOf(last) : undefined
}

async function createStream(
  jsm: JetStreamManager,
  { subjects, replicas }: StreamPlace & { readonly replicas: number },
  { lineage, epoch }: OpenedLog,
): Promise<void> {
  try {
    await jsm.streams.add({
      name: subjects.stream,
      description: JSON.stringify({ lineage, epoch }),
      subjects: [subjects.revisions],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_msgs: STREAM_REVISIONS_MAX,
      num_replicas: replicas,
      allow_direct: true,
      deny_delete: true,
      deny_purge: true,
      republish: subjects.republish,
    })
  } catch (error) {
    // Somebody else made it for another log in the meantime: judged in the next round.
    if (!isApiError(error, STREAM_NAME_IN_USE)) throw error
  }
}

const STREAM_NAME_IN_USE = 10_058

async function dropStream(jsm: JetStreamManager, stream: string): Promise<void> {
  try {
    await jsm.streams.delete(stream)
  } catch (error) {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error
  }
}

function ownerOf(info: StreamInfo): StreamOwner {
  try {
    const owner = JSON.parse(info.config.description ?? '') as Partial<StreamOwner> | null
    const { lineage, epoch } = owner ?? {}
    if (typeof lineage === 'string' && Number.isSafeInteger(epoch)) {
      return { lineage, epoch: epoch ?? 0 }
    }
  } catch {
    // Not ours: no lineage is empty.
  }
  return { lineage: '', epoch: 0 }
}

function isConflict(error: unknown): boolean {
  return (
    isApiError(error, JetStreamApiCodes.StreamWrongLastSequence) ||
    isApiError(error, EXPECTED_STREAM_MISMATCH) ||
    isUnanswered(error)
  )
}

function isUnanswered(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (cause instanceof NoRespondersError) return true
  return cause instanceof RequestError && cause.isNoResponders()
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}
