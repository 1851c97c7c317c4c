import fc from 'fast-check'
import { internSpecs } from './intern.ts'
import { type Resource } from './resource.ts'

const resourceOf = (spec: object, at = '2026-01-01T00:00:00Z') =>
  JSON.parse(JSON.stringify({ id: 'a', createdAt: at, updatedAt: at, spec })) as Resource
const specOf = ({ spec }: Resource) => spec as unknown as Record<string, unknown>

describe('what specs have in common', () => {
  it('is shared, and nothing is changed by it', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), (specs) => {
        const intern = internSpecs()
        for (const spec of specs) {
          const given = resourceOf(spec)
          expect(intern(given)).toEqual(given)
        }
      }),
    )
  })

  it('is one object where it is equal, whatever came in between', () => {
    const intern = internSpecs()
    const [a, b, c] = [{ x: 1 }, { x: 2 }, { x: 1 }].map((limits) => {
      return specOf(intern(resourceOf({ limits, models: ['m', 'n'] })))
    })
    expect(a?.['limits']).toBe(c?.['limits'])
    expect(a?.['limits']).not.toBe(b?.['limits'])
    expect(a?.['models']).toBe(b?.['models'])
  })

  it('is not what only looks alike', () => {
    const intern = internSpecs()
    const values = [{ 0: 'a' }, ['a'], { a: { b: 1 } }, { a: { b: 2 } }, [['a'], 'b'], ['a', 'b']]
    const interned = values.map((limits) => specOf(intern(resourceOf({ limits })))['limits'])
    expect(interned).toEqual(values)
  })
})
