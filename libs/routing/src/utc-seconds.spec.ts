import fc from 'fast-check'
import { utcSeconds } from './utc-seconds.ts'

describe('utcSeconds', () => {
  it('agrees with Date on any time from year 0 to 9999', () => {
    const times = fc.date({
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(times, (date) => {
        expect(utcSeconds(date.toISOString())).toBe(Math.floor(date.getTime() / 1000))
      }),
    )
  })

  it('knows leap days', () => {
    for (const day of ['2024-02-29', '2000-02-29', '2100-03-01', '1970-01-01', '2026-12-31']) {
      const text = `${day}T12:34:56Z`
      expect(utcSeconds(text)).toBe(Date.parse(text) / 1000)
    }
  })

  it.each([[''], ['yesterday'], ['2026-01-01'], ['2026-01-01T00:00:00+01:00']])(
    'answers 0 for %j',
    (text) => {
      expect(utcSeconds(text)).toBe(0)
    },
  )
})
