import { type ModelEntry } from '../dialect.ts'

export { readModels } from '../openai/models.ts'

const S_PER_DAY = 86_400
const two = (value: number) => String(value).padStart(2, '0')

function present({ id, createdS }: ModelEntry) {
  return {
    type: 'model',
    id,
    display_name: id,
    created_at: rfc3339(createdS),
  }
}

/** Body of the answer to `GET /v1/models`: one page holds all. */
export function modelList(models: readonly ModelEntry[]): string {
  return JSON.stringify({
    data: models.map(present),
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  })
}

export function modelEntry(model: ModelEntry): string {
  return JSON.stringify(present(model))
}

/** Seconds since 1970 as `2026-01-31T00:00:00Z`. Days to dates as the Gregorian calendar has it. */
function rfc3339(secondsSince1970: number): string {
  const days = Math.floor(secondsSince1970 / S_PER_DAY)
  const rest = Math.floor(secondsSince1970 - days * S_PER_DAY)
  // Counted from 0000-03-01, so that a leap day is the last of its year.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const [hours, minutes] = [Math.floor(rest / 3_600), Math.floor((rest % 3_600) / 60)]
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
  return `${date}T${two(hours)}:${two(minutes)}:${two(rest % 60)}Z`
}
