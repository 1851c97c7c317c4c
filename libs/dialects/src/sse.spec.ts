import { LINE_CHARACTERS_MAX, LineReader } from './lines.ts'
import { SseReader } from './sse.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const block = bytes('x'.repeat(1_024 * 1_024))
const blocks = LINE_CHARACTERS_MAX / block.length + 1

describe('lines', () => {
  it('end at LF, CR and CRLF, also where the two are cut apart', () => {
    const lines = new LineReader()
    const read = ['a\nb\r', '\nc\r', 'd\r\n', 'e'].flatMap((text) => lines.read(bytes(text)))
    expect([...read, ...lines.end()]).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('are given up where one has no end, and hold nothing of it', () => {
    const lines = new LineReader()
    for (let i = 0; i < blocks; i++) expect(lines.read(block)).toEqual([])
    expect(lines.overflowed).toBe(true)
    expect(lines.read(bytes('\nnext\n'))).toEqual([])
    expect(lines.end()).toEqual([])
  })
})

describe('events', () => {
  it('join their lines of data, and pass comments and ids over', () => {
    const events = new SseReader()
    expect(events.read(bytes(': hello\nid: 1\nevent: e\ndata: a\ndata:b\n\n'))).toEqual([
      { event: 'e', data: 'a\nb' },
    ])
  })

  it('are given up where one has lines without a value and without end', () => {
    const events = new SseReader()
    const lines = bytes('data:\n'.repeat(200_000))
    for (let i = 0; i * lines.length <= 2 * LINE_CHARACTERS_MAX; i++) {
      if (!events.overflowed) events.read(lines)
    }
    expect(events.overflowed).toBe(true)
    expect(events.read(bytes('\n'))[0]?.data.length).toBeLessThan(LINE_CHARACTERS_MAX)
  })

  it('are given up where one has lines without end', () => {
    const events = new SseReader()
    for (let i = 0; i < blocks; i++) {
      events.read(bytes('data:'))
      events.read(block)
      events.read(bytes('\n'))
    }
    expect(events.overflowed).toBe(true)
  })
})
