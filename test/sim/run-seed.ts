import { World, type Wrong } from './world.ts'

const STEPS = 60
const HEALING_STEPS_MAX = 300

export interface Outcome {
  readonly healed: boolean
  readonly violations: readonly string[]
  /** Timers that nobody has ended. */
  readonly timers: number
  readonly seen: ReadonlyMap<string, number>
  /** What happened, in order. */
  readonly trace: readonly string[]
  /** How all stood at the end. */
  readonly picture: string
}

/** One world: faults for a while, then none until all have arrived. The same for the same seed. */
export async function run(seed: number, wrong?: Wrong): Promise<Outcome> {
  const world = new World(seed, wrong)
  await world.misbehave(STEPS)
  const healed = await world.heal(HEALING_STEPS_MAX)
  const picture = world.describe()
  await world.end()
  const { violations, seen, trace } = world
  return { healed, violations, timers: world.clock.pending(), seen, trace, picture }
}

/** What went wrong; undefined where nothing did. */
export function problemOf({ healed, violations, timers }: Outcome): string | undefined {
  if (violations.length > 0) return violations.join('; ')
  if (!healed) return 'not all have arrived'
  return timers > 0 ? `${timers} timers are left` : undefined
}
