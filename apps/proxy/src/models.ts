import { openai } from '@signalbox/dialects'
import { type CompiledKey, match, mayUse, type Table } from '@signalbox/routing'

/** Bodies of GET /v1/models and /v1/models/{id}, made once a table. */
export interface ModelAnswers {
  readonly list: string
  /** Only what the key may use. */
  listFor(key: CompiledKey): string
  entry(id: string): string | undefined
}

/** The OpenAI shape: the paths are OpenAI's, whatever the backends speak. */
export function renderModels(table: Table): ModelAnswers {
  const { models } = table
  const byId = new Map(models.map((model) => [model.id, model]))
  return {
    list: openai.modelList(models),
    listFor: (key) => openai.modelList(models.filter(({ id }) => allows(key, table, id))),
    entry: (id) => {
      const model = byId.get(id)
      return model && openai.modelEntry(model)
    },
  }
}

export function allows(key: CompiledKey, table: Table, model: string): boolean {
  const route = match(table, model)
  return route !== undefined && mayUse(key, route, model)
}
