import { findNatsServer } from '@signalbox/testing'
import { NO_NATS } from '../e2e/fleet-harness.ts'
import { ofHistory, ofWrites, type Recorded } from './invariants.ts'
import { runChaos } from './run.ts'

const SEED = 11
const FAULTS = 8
const MS_MAX = 900_000

if (findNatsServer() === undefined) it.skip(NO_NATS, () => {})
else {
  it(
    `a fleet of processes under ${FAULTS} faults loses nothing and fails nobody (seed ${SEED})`,
    async () => {
      const outcome = await runChaos({ seed: SEED, goesOn: (count) => count < FAULTS })
      const { problems, log, requests, writes, faults } = outcome
      if (problems.length > 0) {
        throw new Error([`npm run chaos -- --seed ${SEED}`, ...log].join('\n'))
      }
      expect(faults.size).toBeGreaterThan(FAULTS / 2)
      expect(Math.min(requests / FAULTS, writes)).toBeGreaterThan(FAULTS / 2)
    },
    MS_MAX,
  )
}

describe('the invariants notice', () => {
  const log = (...reasons: (string | null)[]): Recorded[] =>
    reasons.map((reason, index) => ({ revision: index + 1, reason, hash: 'x' }))

  it('a revision that is missing, doubled, or after the end', () => {
    expect(ofHistory(log('a', 'b'), 2)).toEqual([])
    expect(ofHistory(log('a', 'b'), 3)).toHaveLength(1)
    expect(ofHistory([...log('a', 'b'), ...log('a')], 3)).toHaveLength(1)
  })

  it('a write that was answered and is lost, elsewhere, or there twice', () => {
    const written = new Map([['chaos-1', 2]])
    expect(ofWrites(log(null, 'chaos-1', 'chaos-2'), written)).toEqual([])
    expect(ofWrites(log(null, null), written)).toHaveLength(1)
    expect(ofWrites(log('chaos-1', null), written)).toHaveLength(1)
    expect(ofWrites(log(null, 'chaos-2', 'chaos-2'), new Map())).toHaveLength(1)
  })
})
