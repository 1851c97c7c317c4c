import { seededRandom } from '@signalbox/testing'
import { codecProblem } from './codec-input.ts'
import { type Place, proxyProblem } from './proxy-input.ts'
import { type Samples } from './samples.ts'

/** Of so many inputs one goes through a proxy, the others to the translations alone. */
const PROXY_EVERY = 5
const SEED_STEP = 1_000_003

export interface Fuzzed {
  readonly samples: readonly Samples[]
  readonly place: Place
  readonly seed: number
}

/** What is wrong with how input `n` was taken, or nothing. The same for the same seed. */
export async function problemOf(
  { samples, place, seed }: Fuzzed,
  n: number,
): Promise<string | undefined> {
  const random = seededRandom(seed * SEED_STEP + n)
  try {
    if (n % PROXY_EVERY === 0) return await proxyProblem(place, samples, random)
    return codecProblem(samples, random)
  } catch (error) {
    return `it threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
  }
}
