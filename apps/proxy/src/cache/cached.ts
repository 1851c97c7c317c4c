import { type Failure, type PolicySpec } from '@signalbox/model'
import { alongFallbacks } from '../attempts.ts'
import { internal } from '../failures.ts'
import { ownHeaders } from '../own-headers.ts'
import { type Asked, CLIENT_LEFT, type Passage, type Pipeline } from '../passage.ts'
import { type Landed } from './flights.ts'
import { type KeptAnswer } from './kept-answer.ts'
import { keyOf } from './key.ts'
import { Recorder } from './recorder.ts'
import { replay } from './replay.ts'

/*
 *     request -> kept? -> give it again
 *             -> under way? -> wait -> give it again | go on
 *             -> ask the backends, note the answer -> keep it, tell who waits
 *
 * Under a policy with neither, a request goes to the backends and nothing here is touched.
 */

const MS_PER_S = 1_000
const NO_STORE = /(?:^|,)\s*no-store\s*(?:,|$)/i
const NO_CACHE = /(?:^|,)\s*(?:no-cache|max-age=0)\s*(?:,|$)/i

/** What of it applies to this request. */
interface Plan {
  readonly key: string
  /** Whether a kept answer is looked for, and whether the fleet's are. */
  readonly finds: boolean
  readonly shared: boolean
  /** Null: the answer is not kept. */
  readonly ttlMs: number | null
  readonly coalesces: boolean
  readonly bytesMax: number
}

/** Answers the request, by a kept answer or by the backends. */
export function served(
  pipeline: Pipeline,
  passage: Passage,
  asked: Asked,
): Promise<Failure | undefined> {
  const { cache, deduplication } = asked.route.policy
  const wanted = cache.enabled || deduplication.enabled
  if (!wanted || !passage.operation.repeatable || asked.upload) {
    return alongFallbacks(pipeline, passage, asked)
  }
  const plan = planOf(passage, asked)
  if (plan) return byPlan(pipeline, passage, { ...asked, plan })
  passage.cache = 'bypass'
  pipeline.answers.count('bypass')
  return alongFallbacks(pipeline, passage, asked)
}

function planOf(passage: Passage, asked: Asked): Plan | undefined {
  const { cache, deduplication }: PolicySpec = asked.route.policy
  const control = passage.request.headers['cache-control'] ?? ''
  const streams = asked.scan.stream || passage.operation.streams === 'always'
  const caches = cache.enabled && (cache.streams || !streams)
  const coalesces = deduplication.enabled && !streams
  if (NO_STORE.test(control) || (!caches && !coalesces)) return undefined
  const fresh = NO_CACHE.test(control)
  const replays = coalesces && deduplication.replay
  const ttlS = caches ? cache.ttl : deduplication.ttl
  return {
    key: keyOf(passage, asked),
    finds: !fresh && (caches || replays),
    shared: caches && cache.shared,
    ttlMs: caches || replays ? ttlS * MS_PER_S : null,
    coalesces: coalesces && !fresh,
    bytesMax: Math.max(caches ? cache.maxBytes : 0, coalesces ? deduplication.maxBytes : 0),
  }
}

type Planned = Asked & { readonly plan: Plan }

async function byPlan(
  pipeline: Pipeline,
  passage: Passage,
  asked: Planned,
): Promise<Failure | undefined> {
  const { answers } = pipeline
  const { key, finds, shared, coalesces } = asked.plan
  const kept = finds ? await answers.find(key, shared) : undefined
  if (kept) return again(passage, kept, 'hit')
  let alone = !coalesces
  while (!alone && !answers.flights.begin(key)) {
    const landed = await waitFor(pipeline, passage, key)
    if (passage.response.destroyed) return CLIENT_LEFT
    if (landed === 'draining') return internal('draining', 'the proxy shuts down')
    if (typeof landed === 'object') {
      answers.count('coalesced')
      return again(passage, landed, 'coalesced')
    }
    alone = landed === 'nothing'
  }
  answers.count('miss')
  passage.cache = 'miss'
  if (alone) return ask(pipeline, passage, asked).then(({ failure }) => failure)
  let landed: Landed = 'nothing'
  try {
    const { failure, answer } = await ask(pipeline, passage, asked)
    const drains = failure?.code === 'draining' || passage.code === 'draining'
    landed = answer ?? (drains ? 'draining' : passage.response.destroyed ? 'left' : 'nothing')
    return failure
  } finally {
    answers.flights.land(key, landed)
  }
}

async function waitFor({ answers }: Pipeline, passage: Passage, key: string): Promise<Landed> {
  const { landed, leave } = answers.flights.join(key)
  passage.response.once('close', leave)
  try {
    return await landed
  } finally {
    passage.response.off('close', leave)
  }
}

/** Asks the backends, and keeps a good answer. */
async function ask(pipeline: Pipeline, passage: Passage, { plan, ...asked }: Planned) {
  const { answers, clock } = pipeline
  const recorder = new Recorder(plan.bytesMax, plan.coalesces)
  passage.recorder = recorder
  const failure = await alongFallbacks(pipeline, passage, asked)
  const noted = recorder.answer()
  if (failure || !noted) return { failure, answer: undefined }
  const endsAtMs = clock.nowMs() + (plan.ttlMs ?? 0)
  const answer: KeptAnswer = { ...noted, backend: passage.live?.id ?? '', endsAtMs }
  // Of another route, or refused: that may be over in a moment.
  const keeps = plan.ttlMs !== null && answer.status === 200 && passage.fallback === null
  if (keeps) answers.keep(plan.key, answer, plan.shared)
  return { failure, answer }
}

async function again(
  passage: Passage,
  kept: KeptAnswer,
  how: 'hit' | 'coalesced',
): Promise<undefined> {
  const { routing } = passage
  if (!routing) throw new Error('an answer without a table')
  passage.cache = how
  await replay(passage.response, kept, ownHeaders(passage, { routing, backend: kept.backend }))
}
