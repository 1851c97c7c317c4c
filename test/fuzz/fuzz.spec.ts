import { seedsOf } from '@signalbox/testing'
import { openPlace, type Place } from './proxy-input.ts'
import { problemOf } from './run.ts'
import { samplesOf } from './samples.ts'

const INPUTS = 1_500

let place: Place
beforeEach(async () => void (place = await openPlace()))
afterEach(() => place.close())

describe('wrong bodies, answers and streams', () => {
  it.each(seedsOf(1))('are answered or told of, without a fault of ours: seed %i', async (seed) => {
    const fuzzed = { samples: samplesOf(seed), place, seed }
    const problems: unknown[] = []
    for (let n = 1; n <= INPUTS; n++) {
      const problem = await problemOf(fuzzed, n)
      if (problem !== undefined) problems.push({ n, problem })
    }
    expect(problems).toEqual([])
  })
})
