import { type ModelEntry } from '../dialect.ts'
import { isoTime } from '../iso-time.ts'

export { readModels } from '../openai/models.ts'

const UNKNOWN = {
  parent_model: '',
  format: '',
  family: '',
  families: [],
  parameter_size: '',
  quantization_level: '',
}

/**
 * A model as it is listed, and as it runs: behind a proxy none has to be loaded first. What only
 * its server knows is empty, since clients read these members without asking.
 */
function present({ id, createdS }: ModelEntry) {
  const at = isoTime(createdS)
  const sizes = { size: 0, size_vram: 0 }
  return {
    name: id,
    model: id,
    modified_at: at,
    expires_at: at,
    ...sizes,
    digest: '',
    details: UNKNOWN,
  }
}

/** Body of the answer to `GET /api/tags` and `GET /api/ps`. */
export function modelList(models: readonly ModelEntry[]): string {
  return JSON.stringify({ models: models.map(present) })
}

export function modelEntry(model: ModelEntry): string {
  return JSON.stringify(present(model))
}
