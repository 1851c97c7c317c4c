import { randomInt } from 'node:crypto'

const SEED_MAX = 2 ** 31

/**
 * Seeds 1 to `count`; the one that `SIGNALBOX_TEST_SEED=n` asks to see again; or as many others
 * where it is `random`. Put them into the test's name, so that a failure says which it was.
 */
export function seedsOf(count: number): readonly number[] {
  const wanted = process.env['SIGNALBOX_TEST_SEED']
  if (wanted === undefined) return Array.from({ length: count }, (_, index) => index + 1)
  if (wanted === 'random') return Array.from({ length: count }, () => randomInt(1, SEED_MAX))
  const seed = Number(wanted)
  if (Number.isSafeInteger(seed) && seed > 0) return [seed]
  const found = JSON.stringify(wanted)
  throw new Error(`SIGNALBOX_TEST_SEED is ${found}; expected a whole number from 1, or random`)
}
