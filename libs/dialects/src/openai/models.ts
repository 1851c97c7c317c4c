import { modelName } from '@signalbox/model'
import { type ModelEntry } from '../dialect.ts'

/** As many as a backend's spec may list. */
const MODELS_MAX = 10_000

/**
 * Names in an answer to a discovery path: OpenAI's `{data: [{id}]}` or Ollama's own
 * `{models: [{name | model}]}`. Entries whose name no client could write are left out, so are
 * repeated ones; undefined where the body is not a list of models at all.
 */
export function readModels(body: unknown): readonly string[] | undefined {
  const list = member(body, 'data') ?? member(body, 'models')
  if (!Array.isArray(list)) return undefined
  const names = list.map(nameOf).filter((name) => name !== undefined)
  return [...new Set(names)].slice(0, MODELS_MAX)
}

function nameOf(entry: unknown): string | undefined {
  const name = member(entry, 'id') ?? member(entry, 'name') ?? member(entry, 'model')
  const parsed = modelName.safeParse(name)
  return parsed.success ? parsed.data : undefined
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

function present(model: ModelEntry) {
  return { id: model.id, object: 'model', created: model.createdS, owned_by: model.ownedBy }
}

/** Body of the answer to `GET /v1/models`. */
export function modelList(models: readonly ModelEntry[]): string {
  return JSON.stringify({ object: 'list', data: models.map(present) })
}

/** Body of the answer to `GET /v1/models/{id}`. */
export function modelEntry(model: ModelEntry): string {
  return JSON.stringify(present(model))
}
