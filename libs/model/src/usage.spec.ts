import { decodeRecords, encodeRecord, type RequestRecord, TOKENS_UNKNOWN } from './usage.ts'

const one: RequestRecord = {
  id: 'boot-1',
  requestId: 'r-1',
  atMs: 1_700_000_000_000,
  proxy: 'p1',
  revision: 3,
  operation: 'chat',
  key: null,
  model: 'm',
  route: 'm',
  status: 200,
  code: null,
  durationMs: 12.5,
  firstByteMs: 3,
  bytes: 100,
  attempts: [{ backend: 'b', outcome: 'answered', ms: 12, inputs: null }],
  tokens: TOKENS_UNKNOWN,
  costUsd: null,
}

describe('records of requests', () => {
  it('are read as they were written, whatever another version adds', () => {
    const newer = { ...one, more: true }
    const read = decodeRecords(encodeRecord(one) + encodeRecord(newer))
    expect(read).toEqual({ records: [one, one], malformed: 0 })
  })

  it.each([
    ['no JSON', 'nonsense'],
    ['no record', '{}'],
    ['a wrong status', JSON.stringify({ ...one, status: 20 })],
    ['what no database holds', JSON.stringify({ ...one, model: 'a\0' })],
    ['too many attempts', JSON.stringify({ ...one, attempts: Array(17).fill(one.attempts[0]) })],
  ])('that are none are counted and left out: %s', (_, line) => {
    const text = `${encodeRecord(one)}${line}\n${encodeRecord(one)}`
    expect(decodeRecords(text)).toEqual({ records: [one, one], malformed: 1 })
  })

  it('of nothing are none', () => {
    expect(decodeRecords('')).toEqual({ records: [], malformed: 0 })
  })
})
