import { dialectNamed } from '@signalbox/dialects'
import { type Failure } from '@signalbox/model'
import {
  admits,
  answersWell,
  beginAttemptAt,
  breakerOf,
  type CompiledTarget,
  type Ejectable,
  endAttemptAt,
  NO_PROBES,
  observeLatency,
  type Outcome,
  PENALTY_MS,
  penaltyMs,
  type Probes,
  type Suspect,
  verdictOf,
} from '@signalbox/routing'
import { type AskedUsage, usageAskedOf } from './ask-usage.ts'
import { type Routing } from './configuration.ts'
import { priceOf } from './cost.ts'
import { Exchange } from './exchange.ts'
import { type Run } from './hedge.ts'
import { usedBy } from './limits.ts'
import { type Live, suspectOf } from './live-backend.ts'
import { ownedOf } from './owned/owned-answer.ts'
import { ownHeaders } from './own-headers.ts'
import { type Asked, CLIENT_LEFT, type Passage, type Pipeline } from './passage.ts'
import { withPrompts } from './prompts.ts'
import { type AttemptTrace } from './request-trace.ts'
import { type Translation, translationFor } from './translate.ts'
import { upstreamRequest } from './upstream-request.ts'

const TOO_LATE: Failure = {
  code: 'upstream_timeout',
  source: 'upstream',
  nothingSent: false,
  message: 'the backend did not answer in time',
}

/** Our own queue for a connection took all the time that there was: the backend is not to blame. */
const NEVER_ASKED: Failure = {
  code: 'upstream_timeout',
  source: 'internal',
  nothingSent: true,
  message: 'no connection to the backend was free in time',
}

export interface Attempted extends Asked {
  readonly target: CompiledTarget
  readonly routing: Routing
  readonly dismisses: (status: number) => boolean
  /** Where another attempt may be under way. */
  readonly run?: Run | undefined
  /** What is traced of it. */
  readonly span?: AttemptTrace | undefined
}

interface Chosen {
  readonly live: Live
  readonly translation: Translation | undefined
  readonly asks: AskedUsage | undefined
  /** What the backend has answered. */
  readonly facts: { status: number; begins: () => void }
}

/** One try of a request at one backend. */
export async function attempt(
  pipeline: Pipeline,
  passage: Passage,
  given: Attempted,
): Promise<Outcome> {
  const { target, routing } = given
  const attempted = withPrompts(passage, given)
  const live = routing.live[target.backend.index]
  if (!live) throw new Error(`no live backend ${target.backend.id}`)
  passage.live = live
  passage.price = priceOf(target)
  const translated = translationFor(pipeline, passage, { ...attempted, live })
  if (!translated.ok) return { kind: 'failed', failure: translated.error, begun: false }
  live.inFlight++
  const spent = pipeline.limits.atBackend(live, attempted)
  const translation = translated.value
  const { model } = target
  const suspect = suspectOf(live)
  const probes = beginAttemptAt(suspect, model, pipeline.clock.monotonicMs())
  const facts = { status: 0, begins: () => {} }
  if (probes !== NO_PROBES) {
    facts.begins = () => endProbe(pipeline, attempted, { suspect, probes, status: facts.status })
  }
  const asks = translation ? undefined : usageAskedOf(passage, { ...attempted, live })
  const outcome = await exchange(pipeline, passage, {
    ...{ ...attempted, live, translation, asks, facts },
  })
  live.inFlight--
  spent?.(outcome.kind === 'failed' && !outcome.begun ? 0 : usedBy(passage))
  const status = outcome.kind === 'failed' ? (outcome.status ?? 0) : facts.status
  const nowMs = pipeline.clock.monotonicMs()
  const ejected = endAttemptAt(suspect, attempted.route.policy, {
    model,
    verdict: verdictOf(outcome, status),
    // One that was answered well has been counted when its answer began.
    probes: answersWell(facts.status) ? NO_PROBES : probes,
    nowMs,
    mayEject: (what) => mayEjectOneMore(attempted, what, nowMs),
  })
  if (ejected && live.breaker === suspect.breaker) pipeline.configuration.ejected(live, ejected)
  const failedThere = outcome.kind === 'failed' && outcome.failure.source === 'upstream'
  if (failedThere) observeLatency(live, PENALTY_MS, pipeline.clock.monotonicMs())
  return outcome
}

const PERCENT = 100

interface Probing {
  readonly suspect: Suspect
  readonly probes: Probes
  readonly status: number
}

/** A probing request is answered once its answer begins: a stream may go on for ten minutes. */
function endProbe(
  { clock }: Pipeline,
  { route, target: { model } }: Attempted,
  { suspect, probes, status }: Probing,
): void {
  if (!answersWell(status)) return
  const ended = { model, verdict: 'good', probes, mayEject: () => false } as const
  endAttemptAt(suspect, route.policy, { ...ended, nowMs: clock.monotonicMs() })
}

/**
 * Whether so few of the route's backends, or of its models at backends, are ejected for failures
 * that this one may be. A backend is where all that the route asks it for is.
 */
function mayEjectOneMore({ route, routing, target }: Attempted, what: Ejectable, nowMs: number) {
  const nameOf = ({ backend, model }: CompiledTarget) =>
    what === 'model' ? `${backend.id} ${model}` : backend.id
  const isEjected = (one: CompiledTarget) => {
    const live = routing.live[one.backend.index]
    const breaker = live && breakerOf(one, live, nowMs)
    return breaker?.cause === 'failures' && !admits(breaker, nowMs)
  }
  const all = new Map<string, boolean>()
  for (const one of route.tiers.flatMap(({ targets }) => targets)) {
    const name = nameOf(one)
    all.set(name, all.get(name) !== false && isEjected(one))
  }
  all.set(nameOf(target), true)
  const ejected = [...all.values()].filter(Boolean).length
  return ejected * PERCENT <= all.size * route.policy.breaker.ejectedPercentMax
}

/** Sends the request and relays what comes back, within the policy's times. */
function exchange(
  { clock, wheel, metrics, exchanges, ids }: Pipeline,
  passage: Passage,
  { live, routing, translation, asks, facts, run, span, ...asked }: Attempted & Chosen,
): Promise<Outcome> {
  const { response } = passage
  const { timeouts } = asked.route.policy
  const { upstream } = live
  // Made now: while it waits for a connection the backend may get another address or credential.
  const owns = passage.operation.owned ? ownedOf(ids, passage) : undefined
  const sent = upstreamRequest(passage, { ...asked, live, translation, asks, span })
  return new Promise((resolve) => {
    const relay = new Exchange({
      dialect: dialectNamed(passage.operation.dialect),
      streamEnd: passage.operation.streamEnd,
      response,
      clock,
      requestId: passage.requestId,
      ownHeaders: ownHeadersOf(passage, { routing, live, translation }),
      recorder: passage.recorder,
      keepAlive: passage.keepAlive,
      onFirstByte: (ms, status, retryAfter) => {
        facts.status = status
        facts.begins()
        span?.firstByte(status)
        cancelFirstByte()
        const nowMs = clock.monotonicMs()
        passage.firstByteMs ??= nowMs - passage.startMs
        observeLatency(live, Math.max(ms, penaltyMs(status, retryAfter)), nowMs)
        metrics.firstByte(ms)
      },
      ...{ onGap: metrics.gap, onConnected: span && (() => span.connected()) },
      dismisses: asked.dismisses,
      wins: run && ((status) => run.race.wins(run.lane, status)),
      finish: (ended) => {
        for (const cancel of [leaveQueue, cancelConnect, cancelFirstByte, cancelDeadline]) cancel()
        response.off('drain', resume)
        response.off('close', onClose)
        exchanges.remove(relay)
        resolve(ended)
      },
      released: () => upstream.leave(),
    })
    const resume = () => relay.resume()
    const onClose = () => relay.abort(CLIENT_LEFT)
    const totalMs = asked.scan.stream ? timeouts.streamTotalMs : timeouts.totalMs
    const restMs = passage.startMs + totalMs - clock.monotonicMs()
    let dispatched = false
    const cancelDeadline = wheel.after(restMs, () =>
      relay.abort(dispatched ? tooLong(totalMs) : NEVER_ASKED),
    )
    const own = live.backend.spec.timeouts
    let cancelConnect = () => {}
    let cancelFirstByte = () => {}
    let leaveQueue = () => {}
    passage.exchange = relay
    if (run) Object.assign(run.lane, { relay, live, price: passage.price })
    exchanges.add(relay)
    response.on('drain', resume).on('close', onClose)
    leaveQueue = upstream.enter(() => {
      cancelConnect = wheel.after(own.connectMs ?? timeouts.connectMs, () => relay.connectLate())
      cancelFirstByte = wheel.after(own.firstByteMs ?? timeouts.firstByteMs, () => {
        relay.connectLate()
        relay.abort(TOO_LATE)
      })
      dispatched = true
      upstream.dispatch(sent, (translation ?? asks ?? owns)?.into(relay) ?? relay)
    })
  })
}

function ownHeadersOf(
  passage: Passage,
  { routing, live, translation }: Pick<Attempted & Chosen, 'routing' | 'live' | 'translation'>,
): string[] {
  const own = ownHeaders(passage, { routing, backend: live.id })
  return translation ? own.concat(translation.ownHeaders) : own
}

function tooLong(totalMs: number): Failure {
  const message = `the answer took longer than ${totalMs} ms`
  return { code: 'upstream_timeout', source: 'upstream', nothingSent: false, message }
}
