import { CODES, type RefusalCode, type WritableName } from '@signalbox/model'
import { type Note, resourceNotes, SAMPLES } from './openapi-examples.ts'
import { type Json } from './openapi-kit.ts'
import { OTHER_NOTES } from './openapi-notes.ts'
import { roleNeeded } from './roles.ts'

interface Operation extends Json {
  readonly operationId: string
  readonly description?: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Json>> }
  readonly responses: Readonly<Record<string, Json & { content?: Record<string, Json> }>>
}

const NOTES: Readonly<Record<string, Note>> = Object.assign(
  {},
  ...(Object.keys(SAMPLES) as WritableName[]).map(resourceNotes),
  OTHER_NOTES,
)

/** Only calls that have a body, or that write, can be refused with these. */
const OF_BODIES: readonly RefusalCode[] = ['malformed_body']
const OF_WRITES: readonly RefusalCode[] = ['write_queue_full']
const OF_DELETES: readonly RefusalCode[] = ['still_referenced']
const OF_CONFIG: readonly RefusalCode[] = ['prune_too_large']
const OF_CREATES: readonly RefusalCode[] = ['already_exists']
const OF_SNAPSHOTS: readonly RefusalCode[] = ['bus_unavailable']
const OF_RELEASES: readonly RefusalCode[] = ['release_ended']

/**
 * Paths with what a reader needs beside their shapes: a summary, the role, the codes of each
 * refusal, and examples. An operation without a note is a fault of the document.
 */
export function finished(paths: Json): Json {
  return mapValues(paths, (item, path) =>
    mapValues(item as Json, (operation, method) =>
      finishedOperation(operation as Operation, method.toUpperCase(), path),
    ),
  )
}

function finishedOperation(operation: Operation, method: string, path: string): Json {
  const { operationId, description, parameters = [], requestBody, responses } = operation
  const note = NOTES[operationId]
  if (!note) throw new Error(`no note on the operation ${operationId}`)
  const role = roleNeeded(method, path)
  return {
    ...operation,
    summary: note.summary,
    description: [...(description ? [description] : []), `Needs the role ${role}.`].join('\n\n'),
    'x-role': role,
    parameters: parameters.map((one) => withExample(one, operationId)),
    ...(requestBody
      ? {
          requestBody: {
            ...requestBody,
            content: mapValues(requestBody.content, (one, type) =>
              exampled(one, exampleOf(type, { json: note.request, texts: note.sent })),
            ),
          },
        }
      : {}),
    responses: mapValues(responses, (response, status) =>
      finishedResponse(response as Json, status, {
        note,
        codes: codesOf(operation, { status, method }),
      }),
    ),
  }
}

function finishedResponse(
  response: Json,
  status: string,
  { note, codes }: { readonly note: Note; readonly codes: readonly RefusalCode[] },
): Json {
  if (status.startsWith('2')) {
    const content = response['content'] as Record<string, Json> | undefined
    if (!content || isDryRun(response)) return response
    const { answer: json, texts } = note
    const of = (one: unknown, type: string) => exampled(one, exampleOf(type, { json, texts }))
    return { ...response, content: mapValues(content, of) }
  }
  const named = codes.map((code) => `\`${code}\``).join(', ')
  return {
    ...response,
    description: `${String(response['description'])}. Codes: ${named}`,
    'x-codes': codes,
  }
}

/** The second answer of a create: it is not what the note shows. */
function isDryRun(response: Json): boolean {
  return JSON.stringify(response).includes('#/components/schemas/DryRun')
}

function exampled(content: unknown, example: unknown): Json {
  return { ...(content as Json), ...(example === undefined ? {} : { example }) }
}

function exampleOf(
  type: string,
  { json, texts = {} }: { readonly json: unknown; readonly texts?: Note['texts'] | undefined },
): unknown {
  return type === 'application/json' ? json : texts[type]
}

function withExample(parameter: { readonly name: string; readonly in: string }, id: string): Json {
  const needed = 'required' in parameter
  if (!needed || 'example' in parameter) return { ...parameter }
  const resource = (Object.keys(SAMPLES) as WritableName[]).find((name) => id.endsWith(`_${name}`))
  if (parameter.name === 'id' && resource) return { ...parameter, example: SAMPLES[resource].id }
  const { name, in: where } = parameter
  const example = name === 'backend' && where === 'path' ? SAMPLES.backend.id : '1'
  return { ...parameter, example }
}

/** The codes of the admin API that have this status, without those that cannot come up here. */
function codesOf(
  { operationId, requestBody }: Operation,
  { status, method }: { readonly status: string; readonly method: string },
): readonly RefusalCode[] {
  const [verb = ''] = operationId.split('_')
  const plan = operationId === 'plan'
  const config = operationId === 'apply_config' || plan
  const starts = operationId === 'start_release'
  const steps = operationId === 'promote_release' || operationId === 'rollback_release'
  const many = config || starts || operationId === 'change' || operationId === 'rollback'
  const left = [
    // Also a call that needs no body may come with one.
    ...(method === 'GET' ? OF_BODIES : []),
    ...(requestBody || verb === 'delete' ? [] : OF_WRITES),
    ...(many || verb === 'delete' ? [] : OF_DELETES),
    ...(config ? [] : OF_CONFIG),
    ...(verb === 'create' || operationId === 'change' || starts || plan ? [] : OF_CREATES),
    ...(steps ? [] : OF_RELEASES),
    ...(operationId.startsWith('get_snapshot') ? [] : OF_SNAPSHOTS),
  ]
  const all = Object.keys(CODES).filter((code): code is RefusalCode => {
    return CODES[code as RefusalCode].plane === 'admin'
  })
  return all.filter((code) => CODES[code].status === Number(status) && !left.includes(code))
}

function mapValues<Value>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value, key: string) => unknown,
): Json {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))
}
