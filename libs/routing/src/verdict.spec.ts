import { type Health, type Status } from '@signalbox/model'
import fc from 'fast-check'
import { StatusBook } from './status-book.ts'
import {
  HELD_MS,
  type Observation,
  OBSERVATION_FRESH_MS,
  OBSERVER_FRESH_MS,
  verdictOf,
} from './verdict.ts'

const NOW_MS = 1_000_000
const LETTERS: Readonly<Record<string, Health>> = {
  ...{ r: 'ready', d: 'down', w: 'warming_up', u: 'unknown' },
}

function seen(observer: string, health: Health, more: Partial<Status> = {}): Observation {
  const status: Status = {
    ...{ backend: 'b', health, sinceMs: 1, checkedAtMs: 2, latencyMs: 3, error: null },
    ...{ models: null, revision: 1, observer, ...more },
  }
  return { observer, status, heardMs: NOW_MS }
}

/** One probe for each letter, all of them there. */
function verdict(observations: readonly Observation[], more: { nowMs?: number } = {}) {
  const observers = new Map(observations.map(({ observer, heardMs }) => [observer, heardMs]))
  return verdictOf(observations, observers, more.nowMs ?? NOW_MS)
}
const of = (letters: string) =>
  [...letters].map((letter, n) => seen(`p${n}`, LETTERS[letter] ?? 'unknown'))

describe('the verdict of several probes', () => {
  it.each([
    ['d', 'down'],
    ['r', 'ready'],
    ['w', 'warming_up'],
    ['u', 'unknown'],
    ['dr', 'ready'],
    ['dd', 'down'],
    ['dw', 'warming_up'],
    ['ddr', 'down'],
    ['drr', 'ready'],
    ['dwr', 'warming_up'],
    ['wwr', 'warming_up'],
    ['ddrr', 'ready'],
    ['dddrr', 'down'],
    ['du', 'down'],
    ['ru', 'ready'],
    ['druu', 'ready'],
    ['uuu', 'unknown'],
  ])('that say %j is %s', (letters, health) => {
    expect(verdict(of(letters))?.health).toBe(health)
  })

  it('of one is what it says, as it says it', () => {
    for (const letter of Object.keys(LETTERS)) {
      const [one] = of(letter)
      expect(verdict(one ? [one] : [])).toBe(one?.status)
    }
  })

  it('of nobody is none', () => {
    expect(verdict([])).toBeNull()
  })

  it('speaks in the words of who agrees and looked last, since a majority agreed', () => {
    const observations = [
      seen('a', 'down', { sinceMs: 30, checkedAtMs: 90, error: 'first' }),
      seen('b', 'ready', { sinceMs: 5, checkedAtMs: 99 }),
      seen('c', 'down', { sinceMs: 40, checkedAtMs: 95, error: 'last', models: ['m'] }),
    ]
    const down = { health: 'down', sinceMs: 40, error: 'last', observer: 'c', models: ['m'] }
    expect(verdict(observations)).toMatchObject(down)
    const back = [...observations.slice(0, 2), seen('c', 'ready', { sinceMs: 60 })]
    expect(verdict(back)).toMatchObject({ health: 'ready', sinceMs: 60, observer: 'b' })
  })

  it('has the models of the first by name, so that two lists do not take turns', () => {
    const [a, b] = [
      (checkedAtMs: number) => seen('a', 'ready', { checkedAtMs, models: ['m1'] }),
      (checkedAtMs: number) => seen('b', 'ready', { checkedAtMs, models: ['m2'] }),
    ]
    expect(verdict([b(9), a(1)])?.models).toEqual(['m1'])
    expect(verdict([b(1), a(9)])?.models).toEqual(['m1'])
  })

  it('counts who looked at the newest revision alone: the others may mean another address', () => {
    const old = ['a', 'b'].map((name) => seen(name, 'down'))
    expect(verdict([...old, seen('c', 'ready', { revision: 2 })])?.health).toBe('ready')
    expect(verdict([...old, seen('c', 'unknown', { revision: 2 })])?.health).toBe('unknown')
  })
})

describe('time', () => {
  const [gone, here] = [seen('gone', 'down'), seen('here', 'ready')]
  const at = (nowMs: number, one: Observation, hereMs = nowMs) =>
    verdictOf(
      [gone, { ...one, heardMs: nowMs }],
      new Map([
        ['gone', NOW_MS],
        ['here', hereMs],
      ]),
      nowMs,
    )?.health

  it('takes the vote of a probe that is not heard', () => {
    const two = [gone, here]
    expect(verdict([...two, seen('third', 'down')])?.health).toBe('down')
    expect(at(NOW_MS + OBSERVER_FRESH_MS - 1, here)).toBe('ready')
    expect(at(NOW_MS + OBSERVER_FRESH_MS, { ...here, ...seen('here', 'down') })).toBe('down')
  })

  it('takes the vote that a probe which is there does not repeat', () => {
    const nowMs = NOW_MS + OBSERVATION_FRESH_MS
    const observers = new Map([
      ['gone', nowMs],
      ['here', nowMs],
    ])
    const both = [gone, { ...seen('here', 'down'), heardMs: nowMs }]
    const tie = [
      { ...gone, heardMs: nowMs },
      { ...here, heardMs: nowMs },
    ]
    expect(verdictOf(tie, observers, nowMs)?.health).toBe('ready')
    expect(
      verdictOf([{ ...here, observer: 'gone' }, both[1] ?? gone], observers, nowMs)?.health,
    ).toBe('down')
  })

  it('leaves what was last said while who takes over has seen nothing yet, for a while', () => {
    const begins = seen('here', 'unknown')
    expect(at(NOW_MS + HELD_MS - 1, begins)).toBe('down')
    expect(at(NOW_MS + HELD_MS, begins)).toBe('unknown')
  })

  it('leaves no word where nobody is heard at all: readers keep the last', () => {
    expect(verdict([gone, here], { nowMs: NOW_MS + OBSERVER_FRESH_MS })).toBeNull()
  })
})

const health$ = fc.constantFrom<Health>('ready', 'down', 'warming_up', 'unknown')
const observation$ = fc.record({
  ...{ observer: fc.constantFrom('a', 'b', 'c', 'd', 'e'), health: health$ },
  ...{ sinceMs: fc.nat(50), checkedAtMs: fc.nat(50), revision: fc.integer({ min: 1, max: 2 }) },
  models: fc.option(fc.uniqueArray(fc.constantFrom('m1', 'm2'))),
})

describe('the same observations', () => {
  it('make the same verdict in every reader, in whatever order they came', () => {
    const several$ = fc.uniqueArray(observation$, { selector: ({ observer }) => observer })
    const shuffled$ = several$.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    )
    fc.assert(
      fc.property(shuffled$, ([all, shuffled]) => {
        const heard = (these: typeof all) => {
          const book = new StatusBook()
          const told = these.flatMap(({ observer, health, ...more }) => {
            const { status } = seen(observer, health, more)
            return book.hear({ observer, statuses: [status] }, NOW_MS)
          })
          return told.at(-1)
        }
        expect(heard(shuffled)).toEqual(heard(all))
      }),
    )
  })

  it('take nobody out unless more than half of those that count say so', () => {
    fc.assert(
      fc.property(fc.array(observation$, { minLength: 1 }), (all) => {
        const named = all.map(({ observer, health, ...more }, n) =>
          seen(`${observer}${n}`, health, { ...more, revision: 1 }),
        )
        const counts = (health: Health) =>
          named.filter(({ status }) => status.health === health).length
        const [ready, down, warming] = [counts('ready'), counts('down'), counts('warming_up')]
        const is = verdict(named)?.health
        expect(is === 'down').toBe(2 * down > ready + down + warming)
        expect(is === 'ready').toBe(ready > 0 && ready >= down + warming)
        expect(is === 'unknown').toBe(ready + down + warming === 0)
      }),
    )
  })
})
