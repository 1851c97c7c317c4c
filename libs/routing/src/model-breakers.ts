import { type PolicySpec } from '@signalbox/model'
import {
  admits,
  beginAttempt,
  type Breaker,
  count,
  type EjectionCause,
  endAttempt,
  type Ended,
  openBreaker,
  slowStartShare,
  type Verdict,
} from './breaker.ts'
import { type CompiledTarget, type LiveBackend } from './table.ts'

/*
 * A backend may be well and one of its models not: it does not fit into memory, or its replica is
 * gone. So each model that fails has a breaker of its own beside the backend's (breaker.ts):
 *
 *   connect   the backend's alone: nobody is there, whatever the model
 *   failure   the model's, and the backend's
 *   good      both
 *
 * As long as a backend has been asked for one model only there is one breaker, its own. Where it
 * has been asked for several it is ejected for failures only if those since its last good answer
 * are of two models at least; one model's failures eject that model. A model has a breaker from its
 * first failure until it is well again, and a backend that is well has none.
 */

/** Models of one backend that have a breaker; a further one that fails is the backend's affair. */
export const MODEL_BREAKERS_MAX = 64

/** What the requests for its models have found out about one backend. */
export interface ModelBreakers {
  /** By the name that the backend knows the model by. */
  readonly byModel: Map<string, Breaker>
  /** The first one that was asked for, and whether there were others. */
  first: string | undefined
  several: boolean
  /** Whose request failed first since the last good answer, and whether another's has since. */
  failed: string | undefined
  mixed: boolean
}

export function openModelBreakers(): ModelBreakers {
  return { byModel: new Map(), first: undefined, several: false, failed: undefined, mixed: false }
}

/** The one of the two that keeps more requests away; undefined where there is none. */
export function breakerOf(
  { model }: Pick<CompiledTarget, 'model'>,
  { breaker, models }: Pick<LiveBackend, 'breaker' | 'models'>,
  nowMs: number,
): Breaker | undefined {
  const own = models === undefined ? undefined : models.byModel.get(model)
  if (own === undefined || breaker === undefined) return own ?? breaker
  if (!admits(breaker, nowMs)) return breaker
  if (!admits(own, nowMs)) return own
  return slowStartShare(breaker, nowMs) < slowStartShare(own, nowMs) ? breaker : own
}

/** A backend whose attempts are counted. */
export interface Suspect {
  readonly breaker: Breaker
  readonly models: ModelBreakers
}

/** For which of the two an attempt is a probing one. */
export interface Probes {
  readonly whole: boolean
  readonly own: boolean
}
export const NO_PROBES: Probes = { whole: false, own: false }

/** An attempt begins; endAttemptAt() wants to know the answer: NO_PROBES itself for no probe. */
export function beginAttemptAt({ breaker, models }: Suspect, model: string, nowMs: number): Probes {
  const whole = beginAttempt(breaker, nowMs)
  const ofModel = models.byModel.get(model)
  const own = ofModel !== undefined && beginAttempt(ofModel, nowMs)
  return whole || own ? { whole, own } : NO_PROBES
}

/** What may be ejected: one model at a backend, or the whole of it. */
export type Ejectable = 'model' | 'backend'

export interface EndedAt extends Omit<Ended, 'probes' | 'mayEject'> {
  readonly model: string
  readonly probes: Probes
  /** Whether one more of the route's may be ejected for failures. */
  readonly mayEject: (what: Ejectable) => boolean
}

/** What is left alone from now on, and why; `model`: that one alone, else the whole backend. */
export interface Ejected {
  readonly cause: EjectionCause
  readonly model?: string
  readonly untilMs: number
}

/** An attempt has ended. Answers what is ejected from now on, if anything is. */
export function endAttemptAt(
  { breaker, models }: Suspect,
  policy: PolicySpec,
  ended: EndedAt,
): Ejected | undefined {
  const { model, verdict, probes, nowMs } = ended
  note(models, model, verdict)
  // As nearly always, and then it has to cost nothing.
  const isQuiet = verdict === 'good' && probes === NO_PROBES && models.byModel.size === 0
  if (isQuiet && !breaker.open) return void count(breaker, policy.breaker, ended)
  const own = breakerFor(models, model, ended)
  const ofModel = own && endOwn(own, policy, ended)
  if (own && isWell(own, nowMs)) models.byModel.delete(model)
  const blamed = !models.several || models.mixed
  const mayEject = () => blamed && ended.mayEject('backend')
  const cause = endAttempt(breaker, policy, { verdict, nowMs, probes: probes.whole, mayEject })
  if (cause) return { cause, untilMs: breaker.untilMs }
  return ofModel && { cause: ofModel, model, untilMs: own.untilMs }
}

/** Nobody was there: that says nothing of the model. */
function endOwn(own: Breaker, policy: PolicySpec, ended: EndedAt): EjectionCause | undefined {
  const { probes, nowMs } = ended
  const verdict = ended.verdict === 'connect' ? 'nothing' : ended.verdict
  const mayEject = () => ended.mayEject('model')
  return endAttempt(own, policy, { verdict, nowMs, probes: probes.own, mayEject })
}

function note(models: ModelBreakers, model: string, verdict: Verdict): void {
  models.first ??= model
  if (models.first !== model) models.several = true
  if (verdict === 'good') {
    models.failed = undefined
    models.mixed = false
  } else if (verdict === 'failure') {
    models.failed ??= model
    if (models.failed !== model) models.mixed = true
  }
}

function breakerFor(
  { byModel, several }: ModelBreakers,
  model: string,
  { verdict, nowMs }: Pick<Ended, 'verdict' | 'nowMs'>,
): Breaker | undefined {
  const known = byModel.get(model)
  if (known || verdict !== 'failure' || !several) return known
  if (byModel.size >= MODEL_BREAKERS_MAX && !forgetOne(byModel, nowMs)) return undefined
  const made = openBreaker()
  byModel.set(model, made)
  return made
}

/** The one that has been there longest and keeps nobody away. */
function forgetOne(byModel: Map<string, Breaker>, nowMs: number): boolean {
  for (const [model, one] of byModel) {
    if (!one.open && slowStartShare(one, nowMs) === 1) return byModel.delete(model)
  }
  return false
}

function isWell(own: Breaker, nowMs: number): boolean {
  return !own.open && own.failures === 0 && slowStartShare(own, nowMs) === 1
}
