import { type IncomingMessage } from 'node:http'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { type BodyScan } from './body-scan.ts'
import { downstream } from './failures.ts'
import { type Passage, type Pipeline } from './passage.ts'
import { scanFor } from './path-model.ts'
import { readBody } from './read-body.ts'
import { boundaryOf } from './upload/multipart.ts'
import { readUpload, type Upload } from './upload/upload.ts'

/** Names the model of a request whose body does not. */
const MODEL_HEADER = 'x-signalbox-model'
const MODEL_CHARACTERS_MAX = 4_096

/** A request as far as it is read before a backend is chosen. */
export interface ReadRequest {
  readonly scan: Extract<BodyScan, { ok: true }>
  /** Empty where it is an upload. */
  readonly body: Buffer
  readonly upload: Upload | undefined
  readonly model: string | undefined
}

const EMPTY = Buffer.alloc(0)
const UNSCANNED = { ok: true, model: undefined, stream: false } as const

export async function readRequest(
  pipeline: Pipeline,
  passage: Passage,
): Promise<Result<ReadRequest, Failure>> {
  const { request, operation, pathModel } = passage
  const type = request.headers['content-type']
  const boundary = operation.multipart ? boundaryOf(type) : undefined
  if (boundary === undefined && !isJson(type)) {
    const other = operation.multipart ? ' or multipart/form-data' : ''
    return err(downstream('unsupported_media_type', `expected application/json${other}`))
  }
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    return err(downstream('unsupported_media_type', 'expected a body that is not compressed'))
  }
  const { budget } = pipeline
  const { held } = passage
  const named = modelInHeader(request)
  if (boundary !== undefined) {
    const bytesMax = pipeline.uploadBytesMax
    const namesModel = operation.model !== 'none'
    const limits = { bytesMax, budget, held }
    const upload = await readUpload(request, { boundary, named, namesModel, ...limits })
    if (!upload.ok) return upload
    const { model } = upload.value
    return ok({ scan: UNSCANNED, body: EMPTY, upload: upload.value, model })
  }
  const read = await readBody(request, { bytesMax: pipeline.bodyBytesMax(), budget, held })
  if (!read.ok) return read
  const scan = scanFor(passage, read.value)
  if (!scan.ok) return err(downstream(scan.code, scan.message))
  const said = pathModel ?? scan.model?.value
  const body = read.value
  return ok({ scan, body, upload: undefined, model: said ?? (named && unsaid(body, named)) })
}

/** A header counts only where no parser could find another name in the body. */
function unsaid(body: Buffer, named: string): string | undefined {
  return /"model"/i.test(body.toString('latin1')) ? undefined : named
}

export function modelInHeader({ headers }: IncomingMessage): string | undefined {
  const named = headers[MODEL_HEADER]
  if (typeof named !== 'string' || named.length > MODEL_CHARACTERS_MAX) return undefined
  return named === '' ? undefined : named
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(;|$)/i.test(contentType ?? '')
}
