import fc from 'fast-check'
import { EVENT_BYTES_MAX, usageSieve } from './usage-sieve.ts'

const event = (body: unknown) => `data: ${JSON.stringify(body)}\n\n`
const chunk = (content: string) => event({ choices: [{ delta: { content } }], usage: null })
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const USAGE = event({ id: 'c', choices: [], usage })
const DONE = 'data: [DONE]\n\n'

/** The text cut into pieces at these places. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text)
  const ends = [...places.map((one) => one % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

function sifted(pieces: readonly Buffer[]) {
  const sieve = usageSieve()
  const out = [...pieces.map((one) => sieve.read(one)), sieve.end()]
  return { text: Buffer.concat(out).toString(), tokens: sieve.tokens }
}

describe('usageSieve', () => {
  it('takes the usage out, and nothing else, wherever the stream is cut', () => {
    const text = `: ping\n\n${chunk('é,"choices":[],')}${chunk('b')}${USAGE}${DONE}`
    for (let at = 0; at <= Buffer.byteLength(text); at++) {
      expect(sifted(cut(text, [at]))).toEqual({
        text: text.replace(USAGE, ''),
        tokens: { prompt: 3, completion: 2, cached: null, reasoning: null },
      })
    }
  })

  it('passes every other stream byte for byte', () => {
    const azure = event({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] })
    const long = chunk('x'.repeat(EVENT_BYTES_MAX + 10))
    const big = event({ choices: [], usage, pad: 'y'.repeat(EVENT_BYTES_MAX) })
    const parts = fc.constantFrom(chunk('a'), azure, long, big, DONE, '\r\n\r\n', 'data: half')
    fc.assert(
      fc.property(
        fc.array(parts, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (all, at) => {
          const text = all.join('')
          expect(sifted(cut(text, at)).text).toBe(text)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('holds no more than one event, and no long one', () => {
    const sieve = usageSieve()
    expect(sieve.read(Buffer.from(chunk('a'))).toString()).toBe(chunk('a'))
    expect(sieve.read(Buffer.from('data: {"x')).length).toBe(0)
    const long = Buffer.alloc(EVENT_BYTES_MAX, 0x61)
    expect(sieve.read(long).length).toBe(EVENT_BYTES_MAX + 9)
    expect(sieve.read(long).length).toBe(EVENT_BYTES_MAX)
    expect(sieve.read(Buffer.from(`"}\n\n${USAGE}`)).toString()).toBe('"}\n\n')
    expect(sieve.tokens).toMatchObject({ prompt: 3 })
  })
})
