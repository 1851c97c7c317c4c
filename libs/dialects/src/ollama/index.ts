import { type Dialect } from '../dialect.ts'
import { chat } from './codec.ts'
import { errorBody } from './errors.ts'
import { modelEntry, modelList, readModels } from './models.ts'
import { operations } from './operations.ts'
import { endsWell, streamError, tailBytes } from './streams.ts'
import { readTokens } from './tokens.ts'

/** The version of Ollama whose API this is: clients ask before they use what is newer. */
const VERSION = '0.13.0'

/** The wire format of Ollama's own API. */
export const ollama: Dialect = {
  name: 'ollama',
  operations,
  errorBody,
  streamError,
  endsWell,
  tailBytes,
  readTokens,
  readModels,
  modelList,
  modelEntry,
  roots: ['/api/'],
  listPaths: ['/api/tags', '/api/ps'],
  fixed: { '/api/version': JSON.stringify({ version: VERSION }) },
  chat,
}
