import {
  type Answer,
  type Ask,
  checkHistory,
  type Entry,
  type Operation,
  type Value,
} from './history-harness.ts'

const put = (value: Value, ifMatch: number | null = null): Ask => ({
  ...{ kind: 'put', id: 'a', value, ifMatch },
})
const patch = (value: Value, ifMatch: number | null = null): Ask => ({
  ...{ kind: 'patch', id: 'a', value, ifMatch },
})
const create = (value: Value): Ask => ({ kind: 'create', id: 'a', value, ifMatch: null })
const remove: Ask = { kind: 'delete', id: 'a', ifMatch: null }
const read: Ask = { kind: 'read', id: 'a' }
const list: Ask = { kind: 'list' }
const wrote = (revision: number, value: Value | null): Answer => ({
  ...{ kind: 'wrote', revision, value },
})
const found = (revision: number, value: Value): Answer => ({
  ...{ kind: 'found', version: { revision, value } },
})
const listed = (revision: number, ...items: readonly [string, number, Value][]): Answer => ({
  kind: 'listed',
  revision,
  items: new Map(items.map(([id, at, value]) => [id, { revision: at, value }])),
})
const missing: Answer = { kind: 'missing' }
const exists: Answer = { kind: 'exists' }
const stale: Answer = { kind: 'stale' }
const never: Answer = { kind: 'never' }

/** Begin, end, what, how it was answered; its tag is its place in the list. */
type Row = readonly [number, number, Ask, Answer | null]

function check(rows: readonly Row[], log: readonly (readonly [string, Value | null])[]) {
  const operations = rows.map(([invokedAt, returnedAt, ask, answer], index): Operation => ({
    ...{ tag: `o${index}`, ask, invokedAt, returnedAt, answer },
  }))
  const entries = log.map(([tag, value], index): Entry => ({
    ...{ revision: index + 1, tag, id: 'a', value },
  }))
  return checkHistory(operations, entries)
}

const ONE = { x: '1' }
const TWO = { x: '2' }
const NO_END = Infinity
const rows = (...all: Row[]) => all

describe('a history is accepted', () => {
  it.each<[string, readonly Row[], (readonly [string, Value | null])[]]>([
    ['that is empty', [], []],
    [
      'of calls one after another',
      rows(
        [1, 2, read, missing],
        [3, 4, create(ONE), wrote(1, ONE)],
        [5, 6, read, found(1, ONE)],
        [7, 8, create(TWO), exists],
        [9, 10, patch({ y: '1' }, 1), wrote(2, { ...ONE, y: '1' })],
        [11, 12, put(TWO, 1), stale],
        [13, 14, list, listed(2, ['a', 2, { ...ONE, y: '1' }])],
        [15, 16, remove, wrote(3, null)],
        [17, 18, list, listed(3)],
        [19, 20, patch(ONE), missing],
      ),
      [
        ['o1', ONE],
        ['o4', { ...ONE, y: '1' }],
        ['o7', null],
      ],
    ],
    [
      'of a read beside a write, which sees the state before it',
      rows([1, 6, put(ONE), wrote(1, ONE)], [2, 5, read, missing]),
      [['o0', ONE]],
    ],
    [
      'of a read beside a write, which sees the state after it',
      rows([1, 6, put(ONE), wrote(1, ONE)], [2, 5, read, found(1, ONE)]),
      [['o0', ONE]],
    ],
    [
      'of two writes side by side, whichever came first',
      rows([1, 4, put(ONE), wrote(2, ONE)], [2, 3, put(TWO), wrote(1, TWO)]),
      [
        ['o1', TWO],
        ['o0', ONE],
      ],
    ],
    ['of an unknown end without effect', rows([1, NO_END, put(ONE), null]), []],
    [
      'of an unknown end with an effect that came late',
      rows([1, NO_END, put(ONE), null], [2, 3, read, missing], [4, 5, read, found(1, ONE)]),
      [['o0', ONE]],
    ],
    ['of what must not have an effect and has none', rows([1, 2, put(ONE), never]), []],
  ])('%s', (_name, operations, log) => {
    expect(check(operations, log)).toEqual([])
  })
})

describe('a history is refused', () => {
  it.each<[string, RegExp, readonly Row[], (readonly [string, Value | null])[]]>([
    [
      'with a lost update',
      /^o1: revision 2 is not what was asked/,
      rows(
        [1, 2, put(ONE), wrote(1, ONE)],
        [3, 6, patch({ y: '1' }), wrote(2, { y: '1' })],
        [4, 5, read, found(1, ONE)],
      ),
      [
        ['o0', ONE],
        ['o1', { y: '1' }],
      ],
    ],
    [
      'with a stale read',
      /^o2: no state from 2 on/,
      rows(
        [1, 2, put(ONE), wrote(1, ONE)],
        [3, 4, put(TWO), wrote(2, TWO)],
        [5, 6, read, found(1, ONE)],
      ),
      [
        ['o0', ONE],
        ['o1', TWO],
      ],
    ],
    [
      'with a read that goes back behind another',
      /^o2: no state from 1 on/,
      rows([1, 8, put(ONE), wrote(1, ONE)], [2, 3, read, found(1, ONE)], [4, 5, read, missing]),
      [['o0', ONE]],
    ],
    [
      'with a read of what was not written yet',
      /^o1 at 1 began after 1/,
      rows([1, 2, read, found(1, ONE)], [3, 4, put(ONE), wrote(1, ONE)]),
      [['o1', ONE]],
    ],
    [
      'with a value that was never there',
      /^o1: no state/,
      rows([1, 2, put(ONE), wrote(1, ONE)], [3, 4, read, found(1, TWO)]),
      [['o0', ONE]],
    ],
    [
      'with a list of a state that was over',
      /^o2: no state from 2 on/,
      rows(
        [1, 2, put(ONE), wrote(1, ONE)],
        [3, 4, put(TWO), wrote(2, TWO)],
        [5, 6, list, listed(1, ['a', 1, ONE])],
      ),
      [
        ['o0', ONE],
        ['o1', TWO],
      ],
    ],
    [
      'with a list that is no state at all',
      /^o1: no state/,
      rows([1, 2, put(ONE), wrote(1, ONE)], [1, 4, list, listed(1, ['a', 1, ONE], ['b', 1, ONE])]),
      [['o0', ONE]],
    ],
    [
      'with a doubled write',
      /^o0 is in the log twice/,
      rows([1, 2, put(ONE), wrote(1, ONE)]),
      [
        ['o0', ONE],
        ['o0', ONE],
      ],
    ],
    [
      'with an unknown end and two effects',
      /^o0 is in the log twice/,
      rows([1, NO_END, put(ONE), null]),
      [
        ['o0', ONE],
        ['o0', ONE],
      ],
    ],
    [
      'with writes in another order than that of time',
      /^o1 at 1 began after 2/,
      rows([1, 2, put(ONE), wrote(2, ONE)], [3, 4, put(TWO), wrote(1, TWO)]),
      [
        ['o1', TWO],
        ['o0', ONE],
      ],
    ],
    ['with a lost write', /^o0 was .* is lost/, rows([1, 2, put(ONE), wrote(1, ONE)]), []],
    [
      'with a write that is elsewhere than was said',
      /^o0 was acknowledged at 2, and is at 1/,
      rows([1, 2, put(ONE), wrote(2, ONE)]),
      [['o0', ONE]],
    ],
    [
      'with a write that was answered another value',
      /^o0 was answered another value/,
      rows([1, 2, put(ONE), wrote(1, TWO)]),
      [['o0', ONE]],
    ],
    [
      'with a write that nobody asked for',
      /^revision 1 is of o7/,
      rows([1, 2, read, missing]),
      [['o7', ONE]],
    ],
    [
      'with a refusal that wrote',
      /^o1 was answered stale, and made a revision/,
      rows([1, 2, put(ONE), wrote(1, ONE)], [3, 4, put(TWO), stale]),
      [
        ['o0', ONE],
        ['o1', TWO],
      ],
    ],
    [
      'with an effect of what must have none',
      /^o0 was answered never/,
      rows([1, 2, put(ONE), never]),
      [['o0', ONE]],
    ],
    [
      'with If-Match of another revision than the one before',
      /^o2 had to be refused at 3/,
      rows(
        [1, 2, put(ONE), wrote(1, ONE)],
        [3, 6, put(TWO), wrote(2, TWO)],
        [4, 7, put({ x: '3' }, 1), wrote(3, { x: '3' })],
      ),
      [
        ['o0', ONE],
        ['o1', TWO],
        ['o2', { x: '3' }],
      ],
    ],
    [
      'with a second creation',
      /^o1 had to be refused at 2/,
      rows([1, 2, create(ONE), wrote(1, ONE)], [3, 4, create(TWO), wrote(2, TWO)]),
      [
        ['o0', ONE],
        ['o1', TWO],
      ],
    ],
    [
      'with a refusal for which there was no reason',
      /^o1: no state from 1 on/,
      rows([1, 2, put(ONE), wrote(1, ONE)], [3, 4, put(TWO, 1), stale]),
      [['o0', ONE]],
    ],
    [
      'with a read that wrote',
      /^o0 only read, and made 1/,
      rows([1, 2, read, missing]),
      [['o0', ONE]],
    ],
  ])('%s', (_name, problem, operations, log) => {
    expect(check(operations, log)).toContainEqual(expect.stringMatching(problem))
  })

  it('with a gap in the log', () => {
    const entry: Entry = { revision: 2, tag: 'o0', id: 'a', value: ONE }
    const operation: Operation = {
      ...{ tag: 'o0', ask: put(ONE), invokedAt: 1, returnedAt: 2, answer: wrote(2, ONE) },
    }
    expect(checkHistory([operation], [entry])).toContain('revision 2 stands at 1')
  })
})
