import { type ModelEntry } from '../dialect.ts'
import { readModels as readList } from '../openai/models.ts'

/** Gemini lists `models/gemini-2.5-flash` and is asked for `gemini-2.5-flash`. */
const PREFIX = 'models/'
const METHODS = ['generateContent', 'streamGenerateContent', 'countTokens']

export function readModels(body: unknown): readonly string[] | undefined {
  return readList(body)?.map((name) => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name))
}

function present({ id }: ModelEntry) {
  return { name: PREFIX + id, displayName: id, supportedGenerationMethods: METHODS }
}

/** Body of the answer to `GET /v1beta/models`. */
export function modelList(models: readonly ModelEntry[]): string {
  return JSON.stringify({ models: models.map(present) })
}

export function modelEntry(model: ModelEntry): string {
  return JSON.stringify(present(model))
}
