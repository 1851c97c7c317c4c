import { openai } from '@signalbox/dialects'
import { type Table } from '@signalbox/routing'

/** Bodies of GET /v1/models and /v1/models/{id}, made once a table. */
export interface ModelAnswers {
  readonly list: string
  entry(id: string): string | undefined
}

/** The OpenAI shape: the paths are OpenAI's, whatever the backends speak. */
export function renderModels({ models }: Table): ModelAnswers {
  const byId = new Map(models.map((model) => [model.id, model]))
  return {
    list: openai.modelList(models),
    entry: (id) => {
      const model = byId.get(id)
      return model && openai.modelEntry(model)
    },
  }
}
