import { type Dialect } from '../dialect.ts'
import { errorBody, readError, writeError, writeStreamError } from './errors.ts'
import { modelEntry, modelList, readModels } from './models.ts'
import { operations } from './operations.ts'
import { readRequest, writeRequest } from './request.ts'
import { readAnswer, writeAnswer } from './response.ts'
import { streamReader } from './stream-reader.ts'
import { streamWriter } from './stream-writer.ts'
import { endsWell, streamError, tailBytes } from './streams.ts'
import { readTokens } from './tokens.ts'

/** The wire format of Google's Gemini API. */
export const gemini: Dialect = {
  name: 'gemini',
  operations,
  errorBody,
  streamError,
  endsWell,
  tailBytes,
  readTokens,
  readModels,
  modelList,
  modelEntry,
  roots: ['/v1beta/'],
  listPaths: ['/v1beta/models'],
  entryPath: '/v1beta/models',
  chat: {
    readRequest,
    writeRequest,
    readAnswer,
    writeAnswer,
    readError,
    writeError,
    writeStreamError,
    streamReader,
    streamWriter,
    streamType: 'text/event-stream',
  },
}
