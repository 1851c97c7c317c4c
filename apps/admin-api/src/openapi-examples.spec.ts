// The examples of the reference are requests that work and answers that come.
import { eventually } from '@signalbox/testing'
import { parse } from 'yaml'
import { type Api, startApi, TOKENS } from './api-harness.ts'
import { renderOpenApi } from './openapi.ts'
import { SAMPLES } from './openapi-examples.ts'

interface Content {
  readonly example?: unknown
}
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly 'x-role': 'viewer' | 'operator' | 'admin'
  readonly parameters?: readonly {
    name: string
    in: string
    required?: boolean
    example?: string
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> }
  readonly responses: Readonly<
    Record<string, { content?: Readonly<Record<string, Content>>; 'x-codes'?: readonly string[] }>
  >
}
interface Listed extends Operation {
  readonly method: string
  readonly path: string
}

const document = renderOpenApi() as { paths: Record<string, Record<string, Operation>> }
const operations: readonly Listed[] = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, one]) => ({ ...one, method: method.toUpperCase(), path })),
)
const byId = (id: string) => operations.filter(({ operationId }) => operationId === id)[0]
const ORDER = Object.keys(SAMPLES)

let api: Api
beforeEach(async () => {
  api = await startApi()
})
afterEach(() => api.end())

/** The path with its example values, relative to the server. */
function pathOf({ path, parameters = [] }: Listed): string {
  const filled = parameters
    .filter((one) => one.in === 'path')
    .reduce((at, { name, example }) => at.replace(`{${name}}`, String(example)), path)
  const query = parameters
    .filter((one) => one.in === 'query' && one.required)
    .map(({ name, example }) => `${name}=${String(example)}`)
  return query.length > 0 ? `${filled}?${query.join('&')}` : filled
}

const bodyOf = ({ requestBody }: Operation) => requestBody?.content['application/json']?.example

async function run(operation: Listed, token = TOKENS.admin) {
  const body = bodyOf(operation)
  return api.call(operation.method, pathOf(operation), { ...(body ? { body } : {}), token })
}

/** What differs from change to change: only that it is there. */
const OPAQUE = ['before', 'after', 'value', 'backends', 'routes', 'policies', 'settings']

/** Where an answer is not shaped as the example: members by name, lists by their first item. */
function differences(example: unknown, real: unknown, at = ''): string[] {
  if (example === null || real === null) return []
  if (typeof example !== typeof real || Array.isArray(example) !== Array.isArray(real)) {
    return [`${at}: ${JSON.stringify(example)} is shown, ${JSON.stringify(real)} came`]
  }
  if (Array.isArray(example) && Array.isArray(real)) {
    return example.length > 0 && real.length > 0 ? differences(example[0], real[0], `${at}[0]`) : []
  }
  if (typeof example !== 'object' || typeof real !== 'object') return []
  const [shown, came] = [example as Record<string, unknown>, real as Record<string, unknown>]
  const missing = Object.keys(shown).filter((name) => !(name in came))
  const extra = Object.keys(came).filter((name) => !(name in shown))
  return [
    ...missing.map((name) => `${at}.${name} is shown and did not come`),
    ...extra.map((name) => `${at}.${name} came and is not shown`),
    ...Object.keys(shown)
      .filter((name) => name in came && !OPAQUE.includes(name))
      .flatMap((name) => differences(shown[name], came[name], `${at}.${name}`)),
  ]
}

/** Runs an operation as its example has it, and says what is not as the document says. */
async function problemsOf(id: string, release?: string): Promise<string[]> {
  const documented = byId(id)
  if (!documented) return [`${id} is not in the document`]
  const path = documented.path.replace('{id}', release ?? '{id}')
  return problemsIn({ ...documented, path }, id)
}

async function problemsIn(operation: Listed, id: string): Promise<string[]> {
  const answer = await run(operation)
  const documented = operation.responses[String(answer.status)]
  if (answer.status >= 300 || !documented) return [`${id}: ${answer.status} ${answer.text}`]
  const shown = documented.content?.['application/json']?.example
  if (answer.status === 204) return []
  if (shown === undefined) return [`${id}: no example of its answer: ${answer.text}`]
  return differences(shown, answer.json).map((one) => `${id}${one} in ${answer.text}`)
}

async function createAll(): Promise<string[]> {
  const problems: string[] = []
  for (const name of ORDER.filter((each) => each !== 'settings')) {
    problems.push(...(await problemsOf(`create_${name}`)))
  }
  return problems
}

it('each call on a resource works as its example shows', async () => {
  const problems = [...(await problemsOf('put_settings')), ...(await createAll())]
  for (const name of ORDER) {
    for (const verb of ['list', 'get', 'put', 'patch']) {
      problems.push(...(await problemsOf(`${verb}_${name}`)))
    }
    if (byId(`rotate_${name}`)) problems.push(...(await problemsOf(`rotate_${name}`)))
  }
  for (const name of ORDER.toReversed()) problems.push(...(await problemsOf(`delete_${name}`)))
  problems.push(...(await problemsOf('create_settings')))
  expect(problems).toEqual([])
})

it('each other call works as its example shows', async () => {
  await createAll()
  await api.call('PATCH', 'backends/vllm-a', { body: { spec: { enabled: false } } })
  await api
    .heartbeat(7, { labels: { zone: 'eu-1' } })
    .then((heartbeat) => api.bus.sendHeartbeat(heartbeat))
  const ofResources = new RegExp(`_(${ORDER.join('|')})$`)
  const others = operations.map(({ operationId }) => operationId)
  const problems: string[] = []
  const own = [...STREAMS, ...RELEASES]
  for (const id of others.filter((each) => !ofResources.test(each) && !own.includes(each))) {
    problems.push(...(await problemsOf(id)))
  }
  expect(problems).toEqual([])
})

it('each call on a release works as its example shows', async () => {
  api.bus.sendHeartbeat(await api.heartbeat(0))
  await eventually(async () => (await api.call('GET', 'fleet')).json.members.length > 0)
  const problems = await problemsOf('start_release')
  await eventually(async () => (await api.call('GET', 'releases')).json.items[0].verdict !== null)
  const { id } = (await api.call('GET', 'releases')).json.items[0]
  for (const operation of RELEASES.slice(1)) problems.push(...(await problemsOf(operation, id)))
  expect(problems).toEqual([])
})

/** One needs the other, in this order. */
const RELEASES = [
  'start_release',
  'list_releases',
  'get_release',
  'promote_release',
  'rollback_release',
]

/** Answered as text that does not end, line by line, or as bytes under a name of their own. */
const STREAMS = ['stream_events', 'export_audit', 'get_snapshot_chunk']

it('every operation has a summary, a role, and codes for each refusal', () => {
  const bare = operations.flatMap(({ operationId, summary, responses, ...more }) => [
    ...(summary ? [] : [`${operationId} has no summary`]),
    ...(more['x-role'] ? [] : [`${operationId} has no role`]),
    ...Object.entries(responses)
      .filter(([status, { 'x-codes': codes }]) => Number(status) >= 400 && !codes?.length)
      .map(([status]) => `${operationId} has no code for ${status}`),
  ])
  expect(bare).toEqual([])
})

it('who has too low a role is refused, who has it is not', async () => {
  const wrong: unknown[] = []
  for (const operation of operations) {
    const { operationId, 'x-role': role } = operation
    const lower = { viewer: '', operator: TOKENS.viewer, admin: TOKENS.operator }[role]
    const refusal = await run(operation, lower)
    const code = role === 'viewer' ? 'unauthenticated' : 'forbidden'
    if (refusal.json?.code !== code) wrong.push([operationId, refusal.status, refusal.text])
    if (STREAMS.includes(operationId)) continue
    const { status } = await run(operation, TOKENS[role])
    if (status === 401 || status === 403) wrong.push([operationId, status])
  }
  expect(wrong).toEqual([])
})

it('examples in YAML are read as they stand', () => {
  const texts = operations.flatMap(({ requestBody }) => {
    return Object.entries(requestBody?.content ?? {}).filter(([type]) => type.endsWith('yaml'))
  })
  expect(texts.length).toBeGreaterThan(0)
  for (const [, { example }] of texts) expect(parse(String(example))).toHaveProperty('backends')
})
