import { type AttemptRecord } from '@signalbox/model'
import { compile } from './compile.ts'
import { explainRecorded } from './explain-recorded.ts'
import { record } from './record.ts'
import { type Given, liveOf, snapshotOf } from './table-harness.ts'

const given: Given = {
  backends: { a: {}, b: {}, c: {}, far: {} },
  routes: {
    m: {
      tiers: [
        { targets: [{ backend: 'a' }, { backend: 'b' }, { backend: 'c' }] },
        { targets: [{ backend: 'far' }] },
      ],
    },
  },
}
const known = (specs = given) => {
  const snapshot = snapshotOf(specs)
  const discovered = new Map<string, string[]>()
  return { snapshot, discovered, table: compile(snapshot, discovered).table }
}

/** Attempts as a proxy makes them, each of which fails, with these backends down. */
function attempted(
  count: number,
  down: readonly string[] = [],
  { given: specs = given, route: id = 'm' } = {},
): AttemptRecord[] {
  const { table } = known(specs)
  const route = table.routes.get(id)
  if (!route) throw new Error('no route')
  const live = liveOf(table).map((one) => ({ ...one, eligible: !down.includes(one.id) }))
  const tried: number[] = []
  return Array.from({ length: count }, () => {
    const { target, inputs } = record(route, { live, nowMs: 0, random: () => 0, tried })
    if (target) tried.push(target.backend.index)
    const under = id === 'm' ? {} : { route: id }
    return { ...under, backend: target?.backend.id ?? null, outcome: 'x', ms: 1, inputs }
  })
}

const reasonsAt = (attempts: readonly AttemptRecord[], at: number, specs = given) => {
  const { inexact, explanation } = explainRecorded({ model: 'm', attempts, at }, known(specs))
  return [inexact, ...explanation.candidates.map(({ backend, reason }) => `${backend} ${reason}`)]
}

describe('a recorded attempt', () => {
  it('is explained as far as it looked, with what had been tried before it', () => {
    const attempts = attempted(2, ['b'])
    const seen = ['a picked', 'b down', 'c kept', 'far later_tier']
    expect(reasonsAt(attempts, 0)).toEqual([null, ...seen])
    expect(reasonsAt(attempts, 1)).toEqual([
      null,
      'a tried',
      'b down',
      'c picked',
      'far later_tier',
    ])
  })

  it('of a large tier says of whom nothing is known', () => {
    const ids = Array.from({ length: 100 }, (_, n) => `b${n}`)
    const large = {
      backends: Object.fromEntries(ids.map((id) => [id, {}])),
      routes: { m: { tiers: [{ targets: ids.map((backend) => ({ backend })) }] } },
    }
    const reasons = reasonsAt(attempted(1, [], { given: large }), 0, large)
    expect(reasons.slice(0, 3)).toEqual([null, 'b0 picked', 'b1 not_looked_at'])
  })

  it('of a fallback route is explained under that route, and no further', () => {
    const chain = {
      backends: { a: {}, b: {}, c: {} },
      routes: Object.fromEntries(
        [
          ['m', 'a', 'n'],
          ['n', 'b', 'o'],
          ['o', 'c', 'm'],
        ].map(([id = '', backend, next]) => [
          id,
          { tiers: [{ targets: [{ backend }] }], fallbacks: [next] },
        ]),
      ),
    }
    const attempts = ['m', 'n', 'o'].flatMap((route) =>
      attempted(1, ['a', 'b'], { given: chain, route }),
    )
    expect(attempts.map(({ backend }) => backend)).toEqual([null, null, 'c'])
    expect(reasonsAt(attempts, 0, chain)).toEqual([null, 'a down'])
    expect(reasonsAt(attempts, 1, chain)).toEqual([null, 'b down'])
    expect(reasonsAt(attempts, 2, chain)).toEqual([null, 'c picked'])
    const { explanation } = explainRecorded({ model: 'm', attempts, at: 2 }, known(chain))
    expect(explanation.route).toMatchObject({ id: 'o', found: 'fallback' })
    // Where the fallback is gone nothing is claimed.
    const gone = attempts.map((one) => ({ ...one, route: 'gone' }))
    expect(reasonsAt(gone, 2, chain)[0]).toBe('other_targets')
  })

  it('that found nobody is explained with every candidate', () => {
    const attempts = attempted(1, ['a', 'b', 'c', 'far'])
    expect(reasonsAt(attempts, 0)).toEqual([null, 'a down', 'b down', 'c down', 'far down'])
  })

  it('that does not lead to the same backend here is said to', () => {
    const [first] = attempted(1)
    if (!first) throw new Error('no attempt')
    expect(reasonsAt([{ ...first, backend: 'c' }], 0)[0]).toBe('other_pick')
    expect(reasonsAt([{ ...first, inputs: null }], 0)[0]).toBe('not_recorded')
  })
})
