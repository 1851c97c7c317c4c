import fc from 'fast-check'
import { BadMultipart, boundaryOf, MultipartScanner } from './multipart.ts'

const part = (name: string, value: string) =>
  `--XX\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const FILE =
  '--XX\r\nContent-Disposition: form-data; name="file"; filename="model"\r\n' +
  'Content-Type: audio/mpeg\r\n\r\nname="model"\r\n--X\r\n\r\n--XY\n--XX\r\n'
const END = '--XX--\r\n'

function scan(pieces: readonly Buffer[]) {
  const scanner = new MultipartScanner('XX')
  const out = [...pieces.flatMap((one) => scanner.feed(one)), ...scanner.end()]
  const model = out.filter((one) => one.kind === 'model').map(({ value }) => value)
  return { text: Buffer.concat(out.map(({ bytes }) => bytes)).toString('latin1'), model }
}

function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  const ends = [...places.map((one) => one % (bytes.length + 1)), bytes.length]
  ends.sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

const why = (text: string) => {
  try {
    scan([Buffer.from(text)])
  } catch (error) {
    if (error instanceof BadMultipart) return error.code
    throw error
  }
  return undefined
}

describe('MultipartScanner', () => {
  it('finds the model, and passes every byte, wherever the body is cut', () => {
    const text = `${part('language', 'en')}${FILE}${part('model', 'whisper-1')}${END}`
    for (let at = 0; at <= text.length; at++) {
      expect(scan(cut(text, [at]))).toEqual({ text, model: ['whisper-1'] })
    }
  })

  it('does the same for parts in any order, cut into any pieces', () => {
    const some = fc.constantFrom(FILE, part('a', ''), part('prompt', '--XX'), part('b', '\r\n'))
    fc.assert(
      fc.property(fc.array(some, { maxLength: 5 }), fc.array(fc.nat()), (parts, places) => {
        const text = `${parts.join('')}${part('model', 'm')}${END}epilogue`
        expect(scan(cut(text, places))).toEqual({ text, model: ['m'] })
      }),
    )
  })

  it('holds no more than it must of what is no model', () => {
    const scanner = new MultipartScanner('XX')
    scanner.feed(Buffer.from(`${part('a', '').slice(0, -2)}`))
    const passed = scanner
      .feed(Buffer.alloc(10_000, 0x61))
      .reduce((n, one) => n + one.bytes.length, 0)
    expect(passed).toBeGreaterThan(9_990)
  })

  it.each([
    ['no end', part('model', 'm'), 'malformed_request'],
    ['the model twice', `${part('model', 'a')}${part('model', 'b')}${END}`, 'duplicate_field'],
    ['the model in other letters', `${part('MODEL', 'a')}${END}`, 'duplicate_field'],
    ['an escaped name', `${part('mo\\del', 'a')}${END}`, undefined],
    [
      'an extended name',
      `--XX\r\nContent-Disposition: form-data; name*=UTF-8''model\r\n\r\nm\r\n${END}`,
      'malformed_request',
    ],
    [
      'two names',
      `--XX\r\nContent-Disposition: form-data; name="a"; name="model"\r\n\r\nm\r\n${END}`,
      'malformed_request',
    ],
    ['text behind a delimiter', `--XXYY\r\n\r\n${END}`, 'malformed_request'],
    ['a head that does not end', `--XX\r\n${'a: b\r\n'.repeat(2_000)}`, 'malformed_request'],
    ['a model that does not end', part('model', 'm'.repeat(20_000)), 'malformed_request'],
    ['nothing', '', 'malformed_request'],
  ])('judges a body with %s', (_what, text, code) => {
    expect(why(text)).toBe(code)
  })

  it('takes no bytes for a failure of its own', () => {
    const tokens = fc.constantFrom(
      '--XX',
      '\r\n',
      '--',
      'content-disposition: form-data',
      '; name=',
      '"model"',
      'a',
    )
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 30 }), (all) => {
        const text = all.join('')
        const result = why(text)
        if (result === undefined) expect(scan([Buffer.from(text)]).text).toBe(text)
      }),
      { numRuns: 300 },
    )
  })
})

describe('boundaryOf', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data; charset=x; boundary="a b"', 'a b'],
    ['multipart/form-data', undefined],
    ['multipart/mixed; boundary=abc', undefined],
    ['application/json; boundary=abc', undefined],
    [undefined, undefined],
  ])('of %s is %s', (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary)
  })
})
