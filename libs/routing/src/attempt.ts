import { type Failure } from '@signalbox/model'

/** How one attempt ended. */
export type Outcome =
  /** The backend's answer went downstream whole, whatever its status. */
  | { readonly kind: 'answered' }
  | {
      readonly kind: 'failed'
      readonly failure: Failure
      /** Whether the client has been sent anything of an answer. */
      readonly begun: boolean
      /** The status that was not passed on, so that another attempt can be made. */
      readonly status?: number
      /** How long the backend asked to be left alone, milliseconds. */
      readonly askedMs?: number
    }

export interface Budget {
  /** Attempts made so far, the one that just ended included. */
  readonly attempts: number
  /** The policy's: 0 means exactly one attempt. */
  readonly maxRetries: number
  /** False: the policy makes no other attempt where no connection could be made. */
  readonly onConnect?: boolean
}

export type Step =
  | { readonly kind: 'done' }
  /** Pick another backend, one not tried yet. */
  | { readonly kind: 'again' }
  | { readonly kind: 'give-up'; readonly failure: Failure; readonly why: GiveUpReason }

/** `begun`: the client has bytes; `final`: another attempt cannot help; `spent`: no retry left. */
export type GiveUpReason = 'begun' | 'final' | 'spent'

const DONE: Step = { kind: 'done' }
const AGAIN: Step = { kind: 'again' }

/**
 * What follows an attempt. Another one is made only where the request cannot have reached the
 * backend's application: a completion that ran twice is billed twice. After the first byte to the
 * client there is no other attempt at all, and none for a client that has gone.
 */
export function next(outcome: Outcome, budget: Budget): Step {
  if (outcome.kind === 'answered') return DONE
  const { failure, begun } = outcome
  if (begun) return { kind: 'give-up', failure, why: 'begun' }
  const unwanted = outcome.status === undefined && budget.onConnect === false
  if (!failure.nothingSent || failure.source !== 'upstream' || unwanted) {
    return { kind: 'give-up', failure, why: 'final' }
  }
  if (budget.attempts > budget.maxRetries) return { kind: 'give-up', failure, why: 'spent' }
  return AGAIN
}
