import { decodeRecords, USAGE_BYTES_MAX } from '@signalbox/model'
import { record } from './record-harness.ts'
import { WAITING_MAX, WaitingLines } from './waiting-lines.ts'

const all = (lines: WaitingLines) => {
  const batches = []
  for (let one = lines.shift(); one; one = lines.shift()) batches.push(one)
  return batches
}
const idsOf = (text: string) => decodeRecords(text).records.map(({ id }) => id)

describe('lines that wait', () => {
  it('come out as they went in, cut where a batch is full', () => {
    const lines = new WaitingLines()
    const ids = Array.from({ length: 3_000 }, (_, n) => `märz-${n}`)
    for (const id of ids) expect(lines.add(record(id))).toBe(true)
    expect(lines.count).toBe(3_000)
    const batches = all(lines)
    expect(batches.flatMap(({ text }) => idsOf(text))).toEqual(ids)
    expect(batches.map(({ text }) => idsOf(text).length)).toEqual(batches.map((b) => b.records))
    for (const { text } of batches)
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(USAGE_BYTES_MAX)
    expect([lines.count, lines.first()]).toEqual([0, undefined])
  })

  it('keep the first until it is shifted, and take more meanwhile', () => {
    const lines = new WaitingLines()
    lines.add(record('a'))
    expect(idsOf(lines.first()?.text ?? '')).toEqual(['a'])
    lines.add(record('b'))
    expect(all(lines).flatMap(({ text }) => idsOf(text))).toEqual(['a', 'b'])
  })

  it('refuse what is over their bound, and one that no batch could hold', () => {
    const lines = new WaitingLines()
    expect(lines.add(record('x'.repeat(USAGE_BYTES_MAX)))).toBe(false)
    for (let n = 0; n < WAITING_MAX; n++) lines.add(record('a'))
    expect(lines.add(record('b'))).toBe(false)
    expect(lines.addLines({ text: '{}\n', records: 1 })).toBe(false)
    expect(all(lines).reduce((sum, { records }) => sum + records, 0)).toBe(WAITING_MAX)
  })
})
