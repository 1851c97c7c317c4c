const SECONDS_PER_DAY = 86_400
const SHAPE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?Z$/

/**
 * Whole seconds since the epoch of an RFC 3339 time in UTC; 0 where the text is none. Arithmetic
 * alone, since this room has no Date.
 */
export function utcSeconds(text: string): number {
  const parts = SHAPE.exec(text)
  if (!parts) return 0
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1)
    .map(Number)
  return daysFromCivil({ year, month, day }) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second
}

/**
 * Days since 1970-01-01 in the Gregorian calendar (Hinnant, "chrono-compatible low-level date
 * algorithms"): a year that starts in March puts the leap day last.
 */
function daysFromCivil({ year, month, day }: { year: number; month: number; day: number }): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
