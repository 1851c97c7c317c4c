import { DEPTH_MAX, Reader, shapeProblem, VALUES_MAX } from './reader.ts'
import { lookupIn } from './variables.ts'

const reader = (root: unknown, env: Record<string, string> = {}) => new Reader(root, lookupIn(env))
const unread = () => 'unread'

describe('a duration', () => {
  it.each<[unknown, number]>([
    [30, 30_000],
    [0.5, 500],
    [0, 0],
    ['30', 30_000],
    ['30s', 30_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
  ])('reads %j', (value, ms) => {
    expect(reader({ a: value }).durationMs(['a'])).toBe(ms)
  })

  it.each([[-1], ['-1s'], ['5 m'], ['soon'], [''], [true], [[30]], [{}], [NaN]])(
    'refuses %j',
    (value) => {
      const read = reader({ a: value })
      expect(read.durationMs(['a'])).toBeUndefined()
      expect(read.problems).toEqual([{ path: 'a', message: expect.stringContaining('30s') }])
    },
  )
})

describe('a variable', () => {
  const env = { KEY: 'k-1', SECONDS: '30', EMPTY: '', ON: 'true', REFERS: '${KEY}' }

  it.each([
    ['${KEY}', 'k-1'],
    ['a-${KEY}-${SECONDS}', 'a-k-1-30'],
    ['os.environ/KEY', 'k-1'],
    ['$KEY', '$KEY'],
    ['see os.environ/KEY', 'see os.environ/KEY'],
    ['${REFERS}', '${KEY}'],
  ])('in %j gives %j', (text, expected) => {
    expect(reader({ a: text }, env).text(['a'])).toBe(expected)
  })

  it('is read as a number or a flag where one is wanted', () => {
    const read = reader({ a: '${SECONDS}', b: 'os.environ/ON', c: '30', d: 'true' }, env)
    expect(read.integer(['a'])).toBe(30)
    expect(read.flag(['b'])).toBe(true)
    expect(read.problems).toEqual([])
    expect([read.integer(['c']), read.flag(['d'])]).toEqual([undefined, undefined])
    expect(read.problems.map(({ path }) => path)).toEqual(['c', 'd'])
  })

  it.each([
    ['${NONE}', 'variable NONE is not set'],
    ['${EMPTY}', 'variable EMPTY is not set'],
    ['os.environ/NONE', 'variable NONE is not set'],
    ['${toString}', 'variable toString is not set'],
    ['${A} ${KEY} ${B}', 'variables A, B are not set'],
    ['${no name}', 'expected the name of a variable in ${}'],
    ['os.environ/', 'expected the name of a variable after os.environ/'],
  ])('in %j is a problem: %s', (text, message) => {
    const read = reader({ a: text }, env)
    expect(read.text(['a'])).toBeUndefined()
    expect(read.problems).toEqual([{ path: 'a', message }])
  })
})

describe('what nobody reads', () => {
  it('is unmapped, in the order of the file', () => {
    const read = reader({ a: 1, b: { c: [2, { d: 3 }], e: null, f: {}, g: [] }, h: '' })
    read.integer(['a'])
    expect(read.unmapped(unread)).toEqual([
      { path: 'b.c.0', why: 'unread' },
      { path: 'b.c.1.d', why: 'unread' },
      { path: 'b.e', why: 'there is no value here' },
      { path: 'b.f', why: 'there is no value here' },
      { path: 'b.g', why: 'there is no value here' },
      { path: 'h', why: 'unread' },
    ])
  })

  it('is told apart from its namesake with dots', () => {
    const read = reader({ a: { b: 1 }, 'a.b': 2 })
    read.integer(['a', 'b'])
    expect(read.unmapped(unread)).toEqual([{ path: 'a.b', why: 'unread' }])
  })

  it('says nothing where all was read', () => {
    const read = reader({ a: 1, b: 'x' })
    read.integer(['a'])
    read.text(['b'])
    expect(read.unmapped(unread)).toEqual([])
    expect(read.problems).toEqual([])
  })

  it('is covered by what was left above it', () => {
    const read = reader({ a: { b: 1, c: 2 } })
    read.leave(['a', 'c'], 'below')
    read.leave(['a'], 'above')
    read.leave(['a'], 'later')
    expect(read.unmapped(unread)).toEqual([
      { path: 'a', why: 'above' },
      { path: 'a.c', why: 'below' },
    ])
  })

  it('shows no password of a URL that is a key', () => {
    const read = reader({ 'http://me:secret@h.test': 1 })
    expect(read.unmapped(unread)).toEqual([{ path: 'http://***@h.test', why: 'unread' }])
  })
})

describe('the shape of a file', () => {
  it.each([[null], [undefined], ['text'], [[]], [3], [new Map()]])('refuses %p', (root) => {
    expect(shapeProblem(root)).toEqual({ path: '', message: 'expected a mapping of settings' })
  })

  it('refuses one that holds itself', () => {
    const inside: Record<string, unknown> = {}
    inside['inside'] = inside
    expect(shapeProblem(inside)?.message).toBe(`expected at most ${DEPTH_MAX} levels`)
  })

  it('refuses one that is too large, and takes the largest', () => {
    const list = (length: number) => ({ a: new Array<number>(length).fill(0) })
    expect(shapeProblem(list(VALUES_MAX - 2))).toBeUndefined()
    expect(shapeProblem(list(VALUES_MAX - 1))?.message).toBe(
      `expected at most ${VALUES_MAX} values`,
    )
  })

  it('keeps a member named __proto__ plain data', () => {
    const read = reader(JSON.parse('{"__proto__": {"a": 1}}'))
    expect(read.at(['a'])).toBeUndefined()
    expect(read.unmapped(unread)).toEqual([{ path: '__proto__.a', why: 'unread' }])
  })
})

it('an empty section or list says nothing, and is not reported', () => {
  const read = reader({ a: {}, b: [], c: null, d: {} })
  read.names(['a'])
  read.items(['b'])
  read.names(['c'])
  expect(read.unmapped(unread)).toEqual([{ path: 'd', why: 'there is no value here' }])
})
