import { type Dialect } from '../dialect.ts'
import { errorBody } from './errors.ts'
import { modelEntry, modelList, readModels } from './models.ts'
import { operations } from './operations.ts'
import { endsWell, streamError, tailBytes } from './streams.ts'

/** The wire format of OpenAI's API, which most servers speak or offer. */
export const openai: Dialect = {
  name: 'openai',
  operations,
  errorBody,
  streamError,
  endsWell,
  tailBytes,
  readModels,
  modelList,
  modelEntry,
}
