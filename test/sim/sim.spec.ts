import { problemOf, run } from './run-seed.ts'
import { WRONG } from './wrong.ts'

const SEEDS = Number(process.env['SIGNALBOX_SIM_SEEDS'] ?? 300)
/** What is rarely noticed needs many: the first seed that notices ends it. */
const SEEDS_TO_NOTICE_MAX = 300
const MS_MAX = 300_000

describe('a fleet on a bad bus', () => {
  it(
    `serves prefixes, acks what is durable, never goes back, arrives (${SEEDS} seeds)`,
    async () => {
      const seen = new Set<string>()
      for (let seed = 1; seed <= SEEDS; seed++) {
        const outcome = await run(seed)
        for (const what of outcome.seen.keys()) seen.add(what)
        const problem = problemOf(outcome)
        if (problem !== undefined) throw new Error(`npm run sim -- --seed ${seed}: ${problem}`)
      }
      const faults = ['crash', 'doubled', 'fail-over', 'lineage', 'lost', 'outage', 'rebuild']
      const more = ['restart', 'snapshot', 'truncate', 'wipe']
      expect([...seen].sort()).toEqual([...faults, ...more].sort())
    },
    MS_MAX,
  )

  it('does the same for the same seed', async () => {
    const [one, other] = [await run(17), await run(17)]
    expect(one.trace.length).toBeGreaterThan(50)
    expect(other.trace).toEqual(one.trace)
  })
})

describe('the simulation notices', () => {
  it.each(Object.entries(WRONG))(
    '%s',
    async (_, wrong) => {
      let seed = 1
      while (problemOf(await run(seed, wrong)) === undefined) {
        expect(++seed).toBeLessThanOrEqual(SEEDS_TO_NOTICE_MAX)
      }
    },
    MS_MAX,
  )
})
