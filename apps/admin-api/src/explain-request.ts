import {
  compile,
  type Discovered,
  explain,
  explainRecorded,
  type Explanation,
  INEXACT,
  standIn,
} from '@signalbox/routing'
import { type Snapshot } from '@signalbox/model'
import { type KeptRequest } from '@signalbox/store'
import { presentRequest } from './usage.controller.ts'

/** A decision under a revision: all state then, and the models that probes found. */
export interface Under {
  readonly snapshot: Snapshot
  readonly discovered: Discovered
}

/**
 * What a recorded request was decided on, made again under its revision, attempt by attempt. Each
 * one is picked from a table of its own: a pick moves what it picks from.
 */
export function explainRequest(kept: KeptRequest, under: Under) {
  const { model, attempts } = kept
  const explained = attempts.map((attempt, at) => {
    const { table } = compile(under.snapshot, under.discovered)
    const asked = { model: model ?? '', attempts, at }
    const { inexact, explanation } = explainRecorded(asked, { ...under, table })
    const { backend, outcome, ms } = attempt
    return {
      ...{ backend, outcome, ms, replayed: inexact === null },
      why: inexact && INEXACT[inexact],
      ...pickOf(explanation),
    }
  })
  const [first] = explained.filter(({ replayed }) => !replayed)
  return {
    request: presentRequest(kept),
    revision: under.snapshot.head.revision,
    replayed: attempts.length > 0 && first === undefined,
    why: attempts.length === 0 ? whyNoAttempt(kept) : (first?.why ?? null),
    attempts: explained,
  }
}

function whyNoAttempt({ code }: KeptRequest): string {
  return `it was answered before a backend was picked${code === null ? '' : `: ${code}`}`
}

function pickOf({ route, candidates }: Explanation) {
  return { route, candidates }
}

/**
 * The same request under another revision, as far as that can be known: what was down or full then
 * is so here, everything else is up and idle.
 */
export function explainElsewhere({ model, attempts }: KeptRequest, recorded: Under, under: Under) {
  const down = unusableAt(model ?? '', attempts, recorded)
  const { table } = compile(under.snapshot, under.discovered)
  const live = table.backends.map(({ id }) => {
    const reason = down.get(id)
    if (reason === 'full') return { ...standIn(id), inFlight: Number.MAX_SAFE_INTEGER }
    return { ...standIn(id), eligible: reason === undefined }
  })
  const { hash, place } = attempts[0]?.inputs ?? {}
  const context = { live, nowMs: 0, random: () => 0, tried: [], hash, ...(place ? { place } : {}) }
  return explain(model ?? '', { ...under, table, context })
}

/** Backends that the first pick of each route found down, left alone or full. */
function unusableAt(
  model: string,
  attempts: KeptRequest['attempts'],
  under: Under,
): ReadonlyMap<string, string> {
  const firsts = attempts.flatMap(({ route }, at) =>
    at === 0 || route !== attempts[at - 1]?.route ? [at] : [],
  )
  const found = firsts.flatMap((at) => {
    const { table } = compile(under.snapshot, under.discovered)
    const { inexact, explanation } = explainRecorded({ model, attempts, at }, { ...under, table })
    return inexact === null ? explanation.candidates : []
  })
  return new Map(
    found
      .filter(({ reason }) => UNUSABLE.has(reason))
      .map(({ backend, reason }) => [backend, reason]),
  )
}
const UNUSABLE: ReadonlySet<string> = new Set(['down', 'ejected', 'full'])
