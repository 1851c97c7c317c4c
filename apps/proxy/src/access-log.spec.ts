import { type Log, silentLog } from '@signalbox/host'
import { manualClock } from '@signalbox/testing'
import { type AccessEntry, createAccessLog, FLUSH_MS, WAITING_MAX } from './access-log.ts'

const entry: AccessEntry = {
  method: 'POST',
  path: '/v1/embeddings',
  status: 200,
  code: null,
  requestId: 'r',
  revision: 1,
  key: null,
  model: 'm',
  backend: 'b',
  fallback: null,
  cache: null,
  attempts: 1,
  outcomes: ['b1 answered'],
  durationMs: 5,
  firstByteMs: 4,
  bytesOut: 3,
}

function setUp() {
  const clock = manualClock()
  const lines: [string, object][] = []
  const log: Log = {
    ...silentLog,
    info: (fields, message) => lines.push([message, fields]),
    warn: (fields, message) => lines.push([message, fields]),
  }
  return { clock, lines, access: createAccessLog(clock, log) }
}

describe('the access log', () => {
  it('writes a line a request, but not while the request is answered', () => {
    const { clock, lines, access } = setUp()
    access.add(entry)
    expect(lines).toEqual([])
    clock.advance(FLUSH_MS)
    expect(lines).toEqual([['request', entry]])
    clock.advance(10 * FLUSH_MS)
    expect(lines).toHaveLength(1)
  })

  it('counts what it cannot keep, says so, and goes on', () => {
    const { clock, lines, access } = setUp()
    for (let i = 0; i < WAITING_MAX + 3; i++) access.add(entry)
    clock.advance(FLUSH_MS)
    expect(lines).toHaveLength(WAITING_MAX + 1)
    expect(lines.at(-1)).toEqual(['access log entries were dropped', { dropped: 3 }])
    access.add(entry)
    clock.advance(FLUSH_MS)
    expect(lines.at(-1)).toEqual(['request', entry])
  })

  it('writes what waits when it stops, and leaves no timer', () => {
    const { clock, lines, access } = setUp()
    access.add(entry)
    access.stop()
    expect(lines).toHaveLength(1)
    expect(clock.pending()).toBe(0)
  })
})
