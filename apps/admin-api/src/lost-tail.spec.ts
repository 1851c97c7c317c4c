import { type Head } from '@signalbox/model'
import fc from 'fast-check'
import {
  afterEpoch,
  afterHeartbeat,
  CLAIM_MS,
  type Claims,
  lostTail,
  NO_CLAIMS,
  PAUSE_MS,
} from './lost-tail.ts'

const head: Head = { lineage: 'l', epoch: 1, revision: 10, hash: 'h' }
const word = (id: string, received: number, more: object = {}) => ({
  ...{ id, received, lineage: 'l', epoch: 1 },
  ...more,
})
type Words = readonly (readonly [nowMs: number, word: ReturnType<typeof word>])[]

const heard = (words: Words, start: Claims = NO_CLAIMS, at: Head = head) =>
  words.reduce((claims, [nowMs, one]) => afterHeartbeat(claims, one, { head: at, nowMs }), start)
const believed = (words: Words, nowMs = CLAIM_MS) =>
  lostTail(heard(words), head, nowMs)?.revision ?? null

describe('the word of a member that is ahead of the log', () => {
  it('is not believed once, nor again before long', () => {
    expect(believed([[0, word('p1', 99)]])).toBeNull()
    const again = [
      [0, word('p1', 99)],
      [CLAIM_MS - 1, word('p1', 99)],
    ] as const
    expect(believed(again)).toBeNull()
  })

  it('is believed where it says so again, and where another is ahead too: the least of both', () => {
    const again = [
      [0, word('p1', 99)],
      [CLAIM_MS, word('p1', 98)],
    ] as const
    expect(believed(again)).toBe(98)
    const both = [
      [0, word('p1', 99)],
      [0, word('p2', 12)],
    ] as const
    expect(believed(both)).toBe(12)
  })

  it('is taken back by its next word', () => {
    const back = [
      [0, word('p1', 99)],
      [1, word('p1', 10)],
      [CLAIM_MS, word('p1', 99)],
    ] as const
    expect(believed(back)).toBeNull()
  })

  it.each([
    ['of another log', { lineage: 'x' }],
    ['of another epoch', { epoch: 2 }],
    ['that is no number of a revision', { received: 10.5 }],
    ['that is beyond all numbers', { received: 1e300 }],
  ])('%s is none', (_, more) => {
    const words = ['p1', 'p2'].flatMap((id) => [
      [0, word(id, 99, more)] as const,
      [CLAIM_MS, word(id, 99, more)] as const,
    ])
    expect(believed(words)).toBeNull()
  })

  it('is no evidence against a log that has come there by now', () => {
    const claims = heard([
      [0, word('p1', 11)],
      [0, word('p2', 12)],
    ])
    expect(lostTail(claims, { ...head, revision: 11 }, 0)).toBeNull()
    expect(lostTail(claims, { ...head, revision: 12 }, 0)).toBeNull()
    expect(lostTail(claims, { ...head, epoch: 2 }, 0)).toBeNull()
  })

  it('begins an epoch an interval at most, whoever lies however often', () => {
    const word$ = fc.record({
      id: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
      received: fc.integer({ min: 1, max: 1e9 }),
      afterMs: fc.integer({ min: 0, max: 60_000 }),
    })
    fc.assert(
      fc.property(fc.array(word$, { maxLength: 60 }), (words) => {
        let claims = NO_CLAIMS
        let at = head
        let nowMs = 0
        const begunMs: number[] = []
        for (const { id, received, afterMs } of words) {
          nowMs += afterMs
          const now = { ...word(id, received), epoch: at.epoch }
          claims = afterHeartbeat(claims, now, { head: at, nowMs })
          const seen = lostTail(claims, at, nowMs)
          if (!seen) continue
          expect(seen.revision).toBeGreaterThan(at.revision)
          claims = afterEpoch(nowMs)
          at = { ...at, epoch: at.epoch + 1 }
          begunMs.push(nowMs)
        }
        for (const [n, ms] of begunMs.entries()) {
          if (n > 0) expect(ms - (begunMs[n - 1] ?? 0)).toBeGreaterThanOrEqual(PAUSE_MS)
        }
      }),
    )
  })

  it('takes a bounded place, however many names are made up', () => {
    const claims = heard(Array.from({ length: 1_000 }, (_, n) => [n, word(`p${n}`, 99)] as const))
    expect(claims.byId.size).toBe(64)
  })

  it('is the same object where it changes nothing', () => {
    const claims = heard([[0, word('p1', 99)]])
    expect(afterHeartbeat(claims, word('p2', 10), { head, nowMs: 1 })).toBe(claims)
  })
})
