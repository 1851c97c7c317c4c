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
const known = () => {
  const snapshot = snapshotOf(given)
  const discovered = new Map<string, string[]>()
  return { snapshot, discovered, table: compile(snapshot, discovered).table }
}

/** Attempts as a proxy makes them, each of which fails, with these backends down. */
function attempted(count: number, down: readonly string[] = []): AttemptRecord[] {
  const { table } = known()
  const route = table.routes.get('m')
  if (!route) throw new Error('no route')
  const live = liveOf(table).map((one) => ({ ...one, eligible: !down.includes(one.id) }))
  const tried: number[] = []
  return Array.from({ length: count }, () => {
    const { target, inputs } = record(route, { live, nowMs: 0, random: () => 0, tried })
    if (target) tried.push(target.backend.index)
    return { backend: target?.backend.id ?? null, outcome: 'x', ms: 1, inputs }
  })
}

const reasonsAt = (attempts: readonly AttemptRecord[], at: number) => {
  const { inexact, explanation } = explainRecorded({ model: 'm', attempts, at }, known())
  return [inexact, ...explanation.candidates.map(({ backend, reason }) => `${backend} ${reason}`)]
}

describe('a recorded attempt', () => {
  it('is explained as far as it looked, with what had been tried before it', () => {
    const attempts = attempted(2, ['b'])
    const seen = ['a picked', 'b not_looked_at', 'c not_looked_at', 'far later_tier']
    expect(reasonsAt(attempts, 0)).toEqual([null, ...seen])
    expect(reasonsAt(attempts, 1)).toEqual([
      null,
      'a tried',
      'b down',
      'c picked',
      'far later_tier',
    ])
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
