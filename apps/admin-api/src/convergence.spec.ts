import { createMetrics } from '@signalbox/host'
import { manualClock } from '@signalbox/testing'
import { heartbeatOf } from './api-harness.ts'
import { createSpreads } from './convergence.ts'

const START = Date.UTC(2026, 0, 1)

function begin() {
  const clock = manualClock(START)
  const metrics = createMetrics()
  const spreads = createSpreads({ clock, metrics })
  const commit = (revision: number, lineage = 'l', more = '') => {
    const at = new Date(clock.nowMs()).toISOString()
    const body = `{"actor":"a${more}","at":"${at}","events":[]}`
    spreads.revision({ lineage, epoch: 1, revision, previousHash: '', hash: '', body })
  }
  const says = (id: string, active: number, more: object = {}) =>
    spreads.heartbeat(heartbeatOf(active, { id, ...more }))
  const of = (revision: number, lineage = 'l') => spreads.of({ lineage, epoch: 1, revision })
  return { spreads, clock, metrics, commit, says, of }
}

describe('how a revision spreads', () => {
  it('is the time from the commit to the word of each proxy', async () => {
    const { clock, metrics, commit, says, of } = begin()
    commit(1)
    for (const id of ['a', 'b', 'c']) says(id, 1)
    commit(2)
    for (const [id, ms] of [
      ['a', 10],
      ['b', 5],
      ['c', 85],
    ] as const) {
      await clock.advance(ms)
      says(id, 2)
    }
    const committedAt = new Date(START).toISOString()
    expect(of(2)).toEqual({ revision: 2, committedAt, measured: 3, p50Ms: 15, p99Ms: 100 })
    expect(await metrics.metrics()).toContain('signalbox_convergence_seconds_count 3')
  })

  it('counts a proxy that skips revisions for all of them, and nobody twice', async () => {
    const { clock, commit, says, of } = begin()
    commit(1)
    says('a', 1)
    commit(2)
    commit(3)
    await clock.advance(7)
    says('a', 3)
    await clock.advance(7)
    says('a', 3)
    expect([of(2), of(3)]).toMatchObject([
      { measured: 1, p99Ms: 7 },
      { measured: 1, p99Ms: 7 },
    ])
  })

  it('counts no probe, nobody who comes later, and nobody of another log', () => {
    const { commit, says, of } = begin()
    commit(1)
    commit(2)
    says('probe', 1, { role: 'probe' })
    says('probe', 2, { role: 'probe' })
    says('late', 2)
    says('other', 1, { lineage: 'x' })
    says('other', 2, { lineage: 'x' })
    expect(of(2)).toMatchObject({ measured: 0, p50Ms: null, p99Ms: null })
  })

  it('is forgotten with the log, and after many revisions', () => {
    const { commit, of } = begin()
    for (let revision = 1; revision <= 300; revision++) commit(revision)
    expect([of(1), of(44), of(45)?.revision, of(301)]).toEqual([null, null, 45, null])
    commit(1, 'another')
    expect([of(300), of(1, 'another')?.revision]).toEqual([null, 1])
  })

  it('remembers a bounded number of proxies: those that spoke last', () => {
    const { commit, says, of } = begin()
    commit(1)
    commit(2)
    for (const id of ['silent', 'speaks']) says(id, 1)
    for (let n = 0; n < 49_999; n++) {
      says(`made-up-${n}`, 1)
      if (n === 40_000) says('speaks', 1)
    }
    says('silent', 2)
    says('speaks', 2)
    expect(of(2)?.measured).toBe(1)
  })

  it('begins anew with an epoch, whose numbers mean something else', async () => {
    const { spreads, clock, commit, says, of } = begin()
    commit(1)
    commit(2)
    says('a', 1)
    says('a', 2)
    expect(of(2)?.measured).toBe(1)
    await clock.advance(5)
    const at = new Date(clock.nowMs()).toISOString()
    const body = `{"actor":"a","at":"${at}","events":[]}`
    const second = { lineage: 'l', epoch: 2, revision: 2 }
    spreads.revision({ ...second, previousHash: '', hash: '', body })
    expect(spreads.of(second)).toMatchObject({ committedAt: at, measured: 0 })
    says('a', 2)
    expect(spreads.of(second)?.measured).toBe(0)
  })

  it('takes no time that somebody wrote into a name for the commit', () => {
    const { commit, of } = begin()
    commit(1, 'l', String.raw`\",\"at\":\"1999-01-01T00:00:00Z\"`)
    expect(of(1)?.committedAt).toBe(new Date(START).toISOString())
  })
})
