import fc from 'fast-check'
import { LastBytes } from './last-bytes.ts'

describe('LastBytes', () => {
  it('keeps the last bytes, however they were cut, and as much as it may', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 60 })
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 64 }), (given, bytesMax) => {
        const last = new LastBytes(bytesMax)
        const all: Buffer[] = []
        for (const chunk of given.map((one) => Buffer.from(one))) {
          last.add(chunk)
          all.push(Buffer.from(chunk))
          expect(last.bytes()).toEqual(Buffer.concat(all).subarray(-bytesMax))
        }
        expect(last.bytes(3)).toEqual(Buffer.concat(all).subarray(-Math.min(3, bytesMax)))
      }),
    )
  })

  it('never writes into what it was given', () => {
    const first = Buffer.from('first')
    const last = new LastBytes(100)
    last.add(first)
    last.add(Buffer.from('second'))
    expect([String(first), String(last.bytes())]).toEqual(['first', 'firstsecond'])
  })

  it('is empty at first', () => {
    expect(new LastBytes(10).bytes()).toHaveLength(0)
  })
})
