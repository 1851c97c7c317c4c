import {
  DiscardPolicy,
  type JetStreamManager,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StoredMsg,
  type StreamInfo,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
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
import { directGet, isUnanswered } from './direct-get.ts'
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
/** Racing publishers may drop and make the stream under each other's hands. */
const OPEN_ATTEMPTS = 3

const API = { timeout: REQUEST_DEADLINE_MS, checkAPI: false }
const EXPECTED_STREAM_MISMATCH = 10_060

export interface StreamPlace {
  readonly nc: NatsConnection
  readonly subjects: Subjects
}

/**
 * Bus.openStream(). `onNew` runs before a stream is made, also where there was none: who dropped
 * the one before may have ended there, and what lies beside it is of that log.
 */
export async function openStream(
  place: StreamPlace & { readonly replicas: number },
  log: OpenedLog,
  onNew: () => Promise<void>,
): Promise<Head> {
  const jsm = await jetstreamManager(place.nc, API)
  let rebuild = log.rebuild ?? false
  for (let attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
    const info = await streamInfo(jsm, place.subjects.stream)
    const verdict = judgeStream(info && ownerOf(info), { ...log, rebuild })
    const end = verdict === 'keep' && info ? await endOf(jsm, info) : undefined
    if (end) return end
    if (info) await dropStream(jsm, place.subjects.stream)
    rebuild = false
    await onNew()
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

/**
 * Bus.revisions(): direct gets, which any replica answers, not one consumer per follower. The first
 * get answers with what comes next where its revision is no longer held. A replica that lags may
 * have nothing yet: a follower believes the beacon then, and asks again.
 */
export async function read(
  { nc, subjects }: StreamPlace,
  range: { readonly from: number; readonly to: number },
): Promise<FetchOutcome> {
  const { stream } = subjects
  const to = Math.min(range.to, range.from + REVISIONS_PER_FETCH - 1)
  const stored = await directGet(nc, { stream, seq: range.from, subject: subjects.revisions })
  // No stream is an empty one: its publisher will make it.
  if (!stored) return { kind: 'found', messages: [] }
  const first = revisionIn(stored, range.from)
  if (!first) return { kind: 'gone' }
  const messages = [first]
  for (let at = range.from + 1; at <= to; at += GETS_IN_FLIGHT) {
    const count = Math.min(GETS_IN_FLIGHT, to - at + 1)
    const gets = Array.from({ length: count }, (_, i) => directGet(nc, { stream, seq: at + i }))
    for (const [index, got] of (await Promise.all(gets)).entries()) {
      const message = got && revisionIn(got, at + index)
      if (!message) return { kind: 'found', messages }
      messages.push(message)
    }
  }
  return { kind: 'found', messages }
}

/** undefined where it is another one, or none. */
function revisionIn(stored: StoredMsg, revision: number): RevisionMessage | undefined {
  const message = readRevision({ headers: stored.header, data: stored.data })
  return message?.revision === revision ? message : undefined
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

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}
