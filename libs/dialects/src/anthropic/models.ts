import { type ModelEntry } from '../dialect.ts'
import { isoTime } from '../iso-time.ts'

export { readModels } from '../openai/models.ts'

function present({ id, createdS }: ModelEntry) {
  return {
    type: 'model',
    id,
    display_name: id,
    created_at: isoTime(createdS),
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
