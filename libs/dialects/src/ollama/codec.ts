import { type ChatCodec } from '../codec.ts'
import { readError, writeError, writeStreamError } from './errors.ts'
import { readRequest, writeRequest } from './request.ts'
import { readAnswer, writeAnswer } from './response.ts'
import { streamReader } from './stream-reader.ts'
import { LineWriter, sayMessage } from './stream-writer.ts'

export const chat: ChatCodec = {
  readRequest,
  writeRequest,
  readAnswer,
  writeAnswer,
  readError,
  writeError,
  writeStreamError,
  streamReader,
  streamWriter: (context) => new LineWriter(context, sayMessage),
  streamType: 'application/x-ndjson',
}
