import { type Dialect } from '@signalbox/dialects'
import { type CompiledKey, match, mayUse, type Table } from '@signalbox/routing'

/** Bodies of GET /v1/models and /v1/models/{id}, in the dialect that the client asks in. */
export interface ModelAnswers {
  /** Only what the key may use, where there is one. Without a key it is made once a table. */
  list(dialect: Dialect, key: CompiledKey | null): string
  entry(dialect: Dialect, id: string): string | undefined
}

export function renderModels(table: Table): ModelAnswers {
  const { models } = table
  const byId = new Map(models.map((model) => [model.id, model]))
  const lists = new Map<Dialect, string>()
  return {
    list: (dialect, key) => {
      if (key) return dialect.modelList(models.filter(({ id }) => allows(key, table, id)))
      const made = lists.get(dialect) ?? dialect.modelList(models)
      lists.set(dialect, made)
      return made
    },
    entry: (dialect, id) => {
      const model = byId.get(id)
      return model && dialect.modelEntry(model)
    },
  }
}

export function allows(key: CompiledKey, table: Table, model: string): boolean {
  const route = match(table, model)
  return route !== undefined && mayUse(key, route, model)
}
