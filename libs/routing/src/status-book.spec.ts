import { type Health, type Status } from '@signalbox/model'
import { StatusBook } from './status-book.ts'

const status = (backend: string, health: Health, more: Partial<Status> = {}): Status => ({
  ...{ backend, health, sinceMs: 1, checkedAtMs: 1, latencyMs: 1, error: null },
  ...{ models: null, revision: 1, observer: 'p', ...more },
})
const table = (observer: string, ...statuses: readonly Status[]) => ({ observer, statuses })
const shown = (statuses: readonly Status[]) =>
  statuses.map(({ backend, health }) => `${backend} ${health}`)

describe('a status book', () => {
  it('answers the verdict on what a table holds, each time', () => {
    const book = new StatusBook()
    expect(shown(book.hear(table('a', status('b1', 'down'), status('b2', 'ready')), 0))).toEqual([
      'b1 down',
      'b2 ready',
    ])
    expect(shown(book.hear(table('b', status('b1', 'ready')), 0))).toEqual(['b1 ready'])
    expect(shown(book.hear(table('a', status('b1', 'down')), 0))).toEqual(['b1 ready'])
  })

  it('drops what was overtaken on the way, of the same probe alone', () => {
    const book = new StatusBook()
    book.hear(table('a', status('b1', 'ready', { checkedAtMs: 9 })), 0)
    expect(book.hear(table('a', status('b1', 'down', { checkedAtMs: 8 })), 0)).toEqual([])
    expect(shown(book.hear(table('b', status('b1', 'down')), 0))).toEqual(['b1 ready'])
  })

  it('hears a probe at once whose clock was set back; by a little, once what it said is old', () => {
    const book = new StatusBook()
    book.hear(table('a', status('b1', 'ready', { checkedAtMs: 9_000_000 })), 0)
    expect(shown(book.hear(table('a', status('b1', 'down')), 0))).toEqual(['b1 down'])
    book.hear(table('a', status('b1', 'ready', { checkedAtMs: 9_000 })), 0)
    expect(book.hear(table('a', status('b1', 'down')), 0)).toEqual([])
    book.hear(table('a'), 75_000)
    expect(shown(book.hear(table('a', status('b1', 'down')), 75_000))).toEqual(['b1 down'])
  })

  it('says what changes where a probe leaves, and where it falls silent', () => {
    const book = new StatusBook()
    book.hear(table('a', status('b1', 'ready'), status('b2', 'ready')), 0)
    book.hear(table('b', status('b1', 'down')), 0)
    expect(shown(book.hear({ ...table('a'), leaving: true }, 1))).toEqual(['b1 down'])
    expect(shown(book.hear(table('a', status('b1', 'ready')), 2))).toEqual(['b1 ready'])
    for (const nowMs of [10_000, 20_000, 26_000]) book.hear(table('b'), nowMs)
    expect(shown(book.hear(table('b', status('b1', 'down')), 26_000))).toEqual(['b1 down'])
    expect(book.look(26_001)).toEqual([])
  })

  it('notices by itself that a probe is silent, and that nothing is left to tell', () => {
    const book = new StatusBook()
    book.hear(table('a', status('b1', 'ready')), 0)
    book.hear(table('b', status('b1', 'down')), 20_000)
    expect(book.look(24_999)).toEqual([])
    expect(shown(book.look(25_000))).toEqual(['b1 down'])
    expect([book.look(50_000), book.look(200_000)]).toEqual([[], []])
  })

  it('tells who says what, and whether it counts', () => {
    const book = new StatusBook()
    book.hear(table('a', status('b1', 'down')), 0)
    book.hear(table('b', status('b1', 'ready')), 20_000)
    const at = (nowMs: number) => book.observations('b1', nowMs).map(({ fresh }) => fresh)
    expect([at(20_000), at(25_000), at(45_000)]).toEqual([
      [true, true],
      [false, true],
      [false, false],
    ])
    expect(book.observations('none', 0)).toEqual([])
  })

  it('forgets backends that are gone, and what nobody has repeated', () => {
    const book = new StatusBook()
    book.hear(table('a', status('b1', 'down'), status('b2', 'down')), 0)
    book.keepOnly((backend) => backend === 'b1')
    expect(book.observations('b2', 0)).toEqual([])
    book.look(600_000)
    expect(book.observations('b1', 600_000)).toEqual([])
  })

  it('keeps to its bounds, whatever names are made up', () => {
    const book = new StatusBook()
    for (let n = 0; n < 100; n++) book.hear(table(`p${n}`, status('b1', 'down')), n)
    const kept = book.observations('b1', 100)
    expect(kept).toHaveLength(16)
    // Those that were heard last.
    expect(shown(book.hear(table('p99', status('b1', 'down', { checkedAtMs: 2 })), 100))).toEqual([
      'b1 down',
    ])
    expect(kept.filter(({ fresh }) => fresh)).toHaveLength(16)
    const many = Array.from({ length: 200_010 }, (_, n) => status(`b${n}`, 'ready'))
    expect(book.hear({ observer: 'x', statuses: many }, 101).length).toBe(200_000)
  })
})
