import { DEFAULT_POLICY, STRATEGIES, type Strategy } from '@signalbox/model'
import { hashText, type LiveBackend, pickFromRoute, compile } from '@signalbox/routing'
import { seededRandom, snapshotOfSpecs } from '@signalbox/testing'
import { type Figure, quantile } from './figure.ts'

const SIZES = [10, 1_000, 100_000]
/** One pick is shorter than the clock can tell: so many are measured together. */
const PICKS = 500
const ROUNDS = 200
const WARM_UP = 20
const NS_PER_US = 1_000
const MOST_US = 1
const ZONES = 4

/** What a pick costs by every strategy, in the smallest and in the largest tiers. */
export async function routing(say: (line: string) => void): Promise<readonly Figure[]> {
  return SIZES.flatMap((size) => {
    say(`${size} backends`)
    return STRATEGIES.map((strategy) => measure(strategy, size))
  })
}

function measure(strategy: Strategy, size: number): Figure {
  const spec = (n: number) => ({
    kind: 'vllm',
    url: `http://10.0.0.1:${1 + (n % 65_000)}`,
    models: ['m'],
    labels: { zone: `z${n % ZONES}` },
  })
  const backends = Object.fromEntries(Array.from({ length: size }, (_, n) => [`b${n}`, spec(n)]))
  const policies = { default: { ...DEFAULT_POLICY, strategy } }
  const { table } = compile(snapshotOfSpecs({ backends, policies }), new Map())
  const route = table.routes.get('m')
  if (!route) throw new Error('the route does not compile')
  const live: LiveBackend[] = table.backends.map(({ id }, n) => ({
    id,
    inFlight: n % 3,
    eligible: true,
    ewmaMs: 50 + (n % 7),
    ewmaAtMs: 0,
    samples: 1,
  }))
  const hashes = Array.from({ length: PICKS }, (_, n) => hashText(`user-${n}`))
  const given = { live, random: seededRandom(1), tried: [], place: { zone: 'z1' } }
  const medians: number[] = []
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const context = { ...given, nowMs: round, hash: 0 }
    const start = process.hrtime.bigint()
    for (const hash of hashes) {
      context.hash = hash
      pickFromRoute(route, context)
    }
    const us = Number(process.hrtime.bigint() - start) / PICKS / NS_PER_US
    if (round >= 0) medians.push(us)
  }
  return {
    name: `pick, ${strategy}, ${size} backends, median`,
    value: quantile(medians, 0.5),
    unit: 'µs',
    better: 'less',
    most: MOST_US,
  }
}
