import fc from 'fast-check'
import { JsonCursor } from './json-cursor.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const cursorOf = (text: string) => new JsonCursor(bytesOf(text))

describe('a JSON cursor', () => {
  it('passes any value that JSON.stringify writes, to its very end', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        const cursor = cursorOf(JSON.stringify([one, other]))
        expect(cursor.nextElement(true)).toBe(true)
        const start = cursor.at
        cursor.value()
        const text = new TextDecoder().decode(cursor.bytes.subarray(start, cursor.at))
        expect(text).toBe(JSON.stringify(one))
        expect(cursor.nextElement(false)).toBe(true)
        cursor.value()
        expect(cursor.nextElement(false)).toBe(false)
        expect(cursor.at).toBe(cursor.bytes.length)
      }),
    )
  })

  it('finds the members of an object by their names, strings with quotes in them or not', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const cursor = cursorOf(JSON.stringify(object))
        const names: string[] = []
        for (let first = true; cursor.nextMember(first); first = false) {
          const { start, end } = cursor
          names.push(JSON.parse(`"${new TextDecoder().decode(cursor.bytes.subarray(start, end))}"`))
          expect(cursor.is(cursor.bytes.slice(start, end))).toBe(true)
          expect(cursor.is(bytesOf('something else'))).toBe(false)
          cursor.value()
        }
        expect(names).toEqual(Object.keys(JSON.parse(JSON.stringify(object))))
      }),
    )
  })

  it.each(['', '[', '["a', '[{"a":1', '[1 2]', '{"a" 1}', '[,]'])('throws on %j', (text) => {
    const walk = () => {
      const cursor = cursorOf(text)
      const isList = text.startsWith('[')
      const next = (first: boolean) =>
        isList ? cursor.nextElement(first) : cursor.nextMember(first)
      for (let first = true; next(first); first = false) cursor.value()
    }
    expect(walk).toThrow()
  })
})
