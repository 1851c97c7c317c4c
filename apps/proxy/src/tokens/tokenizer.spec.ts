import { manualClock } from '@signalbox/testing'
import { sampleOf } from './sample.ts'
import { IDLE_MS, Tokenizer } from './tokenizer.ts'

describe('Tokenizer', () => {
  it('counts, and takes names of special tokens for text', async () => {
    const tokenizer = new Tokenizer(manualClock())
    const counts = await tokenizer.count(['hello world', '', '<|endoftext|>'])
    expect(counts).toEqual([2, 0, 7])
    await tokenizer.stop()
  })

  it('runs no thread before the first text and after a time without any', async () => {
    const clock = manualClock()
    const tokenizer = new Tokenizer(clock)
    expect(tokenizer.isRunning).toBe(false)
    await tokenizer.count(['a'])
    clock.advance(IDLE_MS - 1)
    expect(tokenizer.isRunning).toBe(true)
    clock.advance(1)
    expect(tokenizer.isRunning).toBe(false)
    expect(await tokenizer.count(['a'])).toEqual([1])
    await tokenizer.stop()
  })

  it('answers what waits when it is stopped', async () => {
    const tokenizer = new Tokenizer(manualClock())
    const waits = tokenizer.count(['a'])
    await tokenizer.stop()
    expect(await waits).toBeUndefined()
  })
})

describe('sampleOf', () => {
  it('finds what is said, wherever its JSON is cut', () => {
    const text = JSON.stringify([
      { role: 'user', content: 'a "b"' },
      { type: 'text', text: 'c\n' },
    ])
    expect(sampleOf(Buffer.from(text), 2 * text.length)).toEqual({ text: 'a "b"\nc\n', times: 2 })
    expect(sampleOf(Buffer.from(text.slice(0, -5)), 1).text).toBe('a "b"\nc')
  })

  it('takes a text for itself', () => {
    expect(sampleOf(Buffer.from('"plain"'), 7)).toEqual({ text: '"plain"', times: 1 })
    expect(sampleOf(Buffer.alloc(0), 0)).toEqual({ text: '', times: 0 })
  })
})
