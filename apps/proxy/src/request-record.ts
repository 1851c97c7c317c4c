import { ATTEMPTS_RECORDED_MAX, MODEL_RECORDED_MAX, type RequestRecord } from '@signalbox/model'
import { type Passage } from './passage.ts'

const US_PER_MS = 1_000

/** Who a proxy is in its records. */
export interface RecordingProxy {
  readonly id: string
  /** Unique over all starts of this proxy. */
  readonly nextRecordId: () => string
}

export interface Settled {
  readonly proxy: RecordingProxy
  readonly status: number
  readonly durationMs: number
}

/** What is kept of a request that is over. No header, no prompt, no answer, no secret. */
export function recordOf(
  passage: Omit<Passage, 'response'>,
  { proxy, status, durationMs }: Settled,
): RequestRecord {
  const { attempted } = passage
  return {
    id: proxy.nextRecordId(),
    requestId: passage.requestId,
    atMs: passage.atMs,
    proxy: proxy.id,
    revision: passage.routing?.table.head.revision ?? null,
    operation: passage.operation.name,
    key: passage.key?.id ?? null,
    model: cut(passage.model),
    route: passage.route?.id ?? null,
    status,
    code: passage.code,
    durationMs: toMicroseconds(durationMs),
    firstByteMs: passage.firstByteMs === null ? null : toMicroseconds(passage.firstByteMs),
    bytes: passage.exchange?.bytes ?? 0,
    attempts:
      attempted.length > ATTEMPTS_RECORDED_MAX
        ? attempted.slice(-ATTEMPTS_RECORDED_MAX)
        : attempted,
    tokens: passage.tokens,
    costUsd: null,
  }
}

/** How each attempt ended: backend and outcome. */
export function outcomesOf({ attempted }: Pick<Passage, 'attempted'>): readonly string[] {
  return attempted.flatMap(({ backend, outcome }) =>
    backend === null ? [] : [`${backend} ${outcome}`],
  )
}

/** What is finer is noise, and costs bytes. */
export function toMicroseconds(ms: number): number {
  return Math.round(ms * US_PER_MS) / US_PER_MS
}

/** A name is a client's text: as long as a body, and with what no database holds. */
function cut(model: string | null): string | null {
  if (model === null) return null
  const short = model.length > MODEL_RECORDED_MAX ? model.slice(0, MODEL_RECORDED_MAX) : model
  const clean = short.includes('\0') ? short.replaceAll('\0', ' ') : short
  return clean.isWellFormed() ? clean : clean.toWellFormed()
}
