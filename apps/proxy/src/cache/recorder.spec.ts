import { Recorder } from './recorder.ts'

describe('a recorder', () => {
  it('keeps small chunks in memory of their own, as they came', () => {
    const recorder = new Recorder(1_000, false)
    recorder.head(200, ['content-type', 'a', 'x-ratelimit-limit-requests', '1', 'retry-after', '2'])
    const parts = ['a', 'bc', '', 'def'].map((part) => Buffer.from(part))
    for (const part of parts) recorder.chunk(part)
    expect(recorder.answer()).toBeUndefined()
    recorder.end()
    const answer = recorder.answer()
    expect(answer?.headers).toEqual(['content-type', 'a'])
    expect(answer?.chunks.map(String)).toEqual(['a', 'bc', '', 'def'])
    expect(answer?.chunks.every(({ buffer }) => buffer.byteLength === 6)).toBe(true)
  })

  it('keeps nothing of what is too long, and then hurries nobody', () => {
    const recorder = new Recorder(4, true)
    recorder.chunk(Buffer.from('abcd'))
    expect(recorder.hurries).toBe(true)
    recorder.chunk(Buffer.from('e'))
    recorder.end()
    expect([recorder.answer(), recorder.hurries]).toEqual([undefined, false])
  })
})
