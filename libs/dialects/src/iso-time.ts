const [S_PER_DAY, S_PER_HOUR, S_PER_MINUTE] = [86_400, 3_600, 60]
/** Days before 1970 since 0000-03-01 (years begin in March here), and of 400, 100, 4, 1 years. */
const [EPOCH, DAYS_400, DAYS_100, DAYS_4, DAYS_1] = [719_468, 146_097, 36_524, 1_461, 365]

/** Seconds since 1970 as `2026-02-03T04:05:06Z`. */
export function isoTime(atS: number): string {
  const days = Math.floor(atS / S_PER_DAY)
  const rest = atS - days * S_PER_DAY
  const era = Math.floor((days + EPOCH) / DAYS_400)
  const ofEra = days + EPOCH - era * DAYS_400
  const leaps = Math.floor(ofEra / (DAYS_4 - 1)) - Math.floor(ofEra / DAYS_100)
  const year = Math.floor((ofEra - leaps + Math.floor(ofEra / (DAYS_400 - 1))) / DAYS_1)
  const ofYear = ofEra - (DAYS_1 * year + Math.floor(year / 4) - Math.floor(year / 100))
  const month = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * month + 2) / 5) + 1
  const named = month < 10 ? month + 3 : month - 9
  const date = [padded(year + era * 400 + (named <= 2 ? 1 : 0), 4), padded(named), padded(day)]
  const hour = Math.floor(rest / S_PER_HOUR)
  const minute = Math.floor((rest % S_PER_HOUR) / S_PER_MINUTE)
  const time = [hour, minute, Math.floor(rest % S_PER_MINUTE)].map((one) => padded(one))
  return `${date.join('-')}T${time.join(':')}Z`
}

function padded(value: number, length = 2): string {
  return String(value).padStart(length, '0')
}
