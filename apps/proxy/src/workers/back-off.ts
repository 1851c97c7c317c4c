/*
 * A worker that dies is replaced at once. One after the other that dies young is something that a
 * replacement does not mend (a broken bundle, no memory): then each waits twice as long as the one
 * before, so that a proxy whose workers cannot live does not spend the machine on starting them.
 */

/** A worker that lived so long has shown that workers can. */
export const STEADY_MS = 30_000
const DELAY_MIN_MS = 250
const DELAY_MAX_MS = 15_000

export interface BackOff {
  /** Workers in a row that died young. */
  readonly young: number
  /** Before the next one starts. */
  readonly delayMs: number
}

export const NO_BACK_OFF: BackOff = { young: 0, delayMs: 0 }

export function afterDeath({ young }: BackOff, livedMs: number): BackOff {
  if (livedMs >= STEADY_MS) return NO_BACK_OFF
  const delayMs = young === 0 ? 0 : Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** (young - 1))
  return { young: young + 1, delayMs }
}
