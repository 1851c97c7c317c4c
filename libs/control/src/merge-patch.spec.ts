import fc from 'fast-check'
import { mergePatch, PATCH_DEPTH_MAX } from './merge-patch.ts'

describe('mergePatch', () => {
  // RFC 7396, appendix A.
  it.each<[unknown, unknown, unknown]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('turns %j with %j into %j', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result)
  })

  it('keeps a member named __proto__ as data', () => {
    const patched = mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'))
    expect(Object.keys(patched as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('hands on what is deeper than any spec, instead of following it', () => {
    let patch: unknown = { leaf: null }
    for (let depth = 0; depth < 100_000; depth++) patch = { a: patch }
    let left = mergePatch({}, patch)
    for (let depth = 0; depth <= PATCH_DEPTH_MAX; depth++) left = (left as { a: unknown }).a
    expect(left).toBeDefined()
  })

  const value = fc.jsonValue({ maxDepth: 4 })

  it('changes neither argument, and twice is the same as once', () => {
    fc.assert(
      fc.property(value, value, (target, patch) => {
        const before = JSON.stringify([target, patch])
        const once = mergePatch(target, patch)
        expect(JSON.stringify([target, patch])).toBe(before)
        expect(mergePatch(once, patch)).toEqual(once)
      }),
    )
  })

  it('stays quiet: an empty patch leaves an object as it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value), (target) => {
        expect(mergePatch(target, {})).toEqual({ ...target })
      }),
    )
  })
})
