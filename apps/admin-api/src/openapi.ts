import { DEFINITIONS, type ResourceName, RESOURCES } from '@signalbox/model'
import * as z from 'zod'

type Json = Record<string, unknown>
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: Json): Json => ({ 'application/json': { schema } })
const titled = (name: string) => name.charAt(0).toUpperCase() + name.slice(1)
const text = (description: string, more: Json = {}): Json => ({
  type: 'string',
  description,
  ...more,
})

const parameter = (name: string, where: string, schema: Json): Json => ({
  name,
  in: where,
  schema,
  description: schema['description'] ?? name,
  ...(where === 'path' ? { required: true } : {}),
})
const ID = parameter('id', 'path', text('Id; a slash in it is written %2F'))
const AS_OF = parameter('asOf', 'query', text('A revision or an RFC 3339 time'))
const LIST = [
  parameter('limit', 'query', {
    type: 'integer',
    minimum: 1,
    maximum: 1000,
    default: 100,
    description: 'Items a page',
  }),
  parameter('cursor', 'query', text('nextCursor of the page before')),
  parameter('label', 'query', text('name or name=value')),
  parameter('kind', 'query', text('Kind of backend')),
  parameter('q', 'query', text('A part of the id')),
  AS_OF,
]
const WRITE = [
  parameter('dryRun', 'query', {
    type: 'boolean',
    description: 'Validates and answers the changes; writes nothing',
  }),
  parameter(
    'wait',
    'query',
    text('Answer when every live proxy applied it, at most this long: 5s'),
  ),
  parameter(
    'Idempotency-Key',
    'header',
    text('The same key and request get the same answer again'),
  ),
  parameter('X-Reason', 'header', text('Why; kept in the audit log')),
  parameter('X-Request-Id', 'header', text('Recorded and answered; made where there is none')),
  parameter(
    'X-Signalbox-Source',
    'header',
    text('What calls', { enum: ['api', 'cli', 'console', 'import', 'rollback'], default: 'api' }),
  ),
  parameter('X-Change-Ref', 'header', text('A ticket or a commit; kept in the audit log')),
]
const IF_MATCH = parameter('If-Match', 'header', text('The ETag that was read, or *'))

const problem = (description: string): Json => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
})
const READ_PROBLEMS = {
  '400': problem('Unknown or wrong parameter'),
  '401': problem('No or unknown token'),
  '403': problem('The role does not reach'),
  '404': problem('Not found'),
  '405': problem('The path has no such method'),
  '500': problem('Our fault'),
  '503': problem('The database does not answer, or too many writes wait'),
}
const WRITE_PROBLEMS = {
  ...READ_PROBLEMS,
  '409': problem('Exists already, dangling or duplicate reference, still referenced'),
  '412': problem('If-Match is stale; `current` holds the value'),
  '413': problem('Body over 256 KB'),
  '415': problem('Not declared as JSON'),
  '422': problem('Not valid, or the Idempotency-Key was used with another request'),
}
const answer = (description: string, schema: Json): Json => ({ description, content: json(schema) })

function resourcePaths(name: ResourceName): Json {
  const base = `/admin/v1/${DEFINITIONS[name].plural}`
  const tags = [DEFINITIONS[name].plural]
  const one = answer('The resource', ref(titled(name)))
  const body = (members: Json, required: string[]): Json => ({
    required: true,
    content: json({ type: 'object', properties: members, required, additionalProperties: false }),
  })
  const spec = ref(`${titled(name)}Spec`)
  const wrote = (more: Json): Json => ({ ...more, ...WRITE_PROBLEMS })
  return {
    [base]: {
      get: {
        tags,
        operationId: `list_${name}`,
        parameters: LIST,
        responses: { '200': answer('A page', ref(`${titled(name)}List`)), ...READ_PROBLEMS },
      },
      post: {
        tags,
        operationId: `create_${name}`,
        parameters: WRITE,
        requestBody: body({ id: text('Id'), spec }, ['id', 'spec']),
        responses: wrote({ '201': one, '200': answer('Dry run', ref('DryRun')) }),
      },
    },
    [`${base}/{id}`]: {
      get: {
        tags,
        operationId: `get_${name}`,
        parameters: [ID, AS_OF],
        responses: { '200': one, ...READ_PROBLEMS },
      },
      put: {
        tags,
        operationId: `put_${name}`,
        parameters: [ID, IF_MATCH, ...WRITE],
        requestBody: body({ spec }, ['spec']),
        responses: wrote({ '200': one, '201': one }),
      },
      patch: {
        tags,
        operationId: `patch_${name}`,
        parameters: [ID, IF_MATCH, ...WRITE],
        requestBody: body(
          { spec: { type: 'object', description: 'JSON merge patch (RFC 7396)' } },
          ['spec'],
        ),
        responses: wrote({ '200': one }),
      },
      delete: {
        tags,
        operationId: `delete_${name}`,
        parameters: [ID, IF_MATCH, ...WRITE],
        responses: wrote({
          '204': { description: 'Deleted' },
          '200': answer('Deleted; waited', { type: 'object' }),
        }),
      },
    },
  }
}

const revisionParameters = [
  parameter('limit', 'query', {
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
    description: 'Items a page',
  }),
  parameter('cursor', 'query', text('nextCursor of the page before')),
  parameter('actor', 'query', text('Who')),
  parameter('resource', 'query', {
    type: 'string',
    enum: [...RESOURCES],
    description: 'What kind',
  }),
  parameter('id', 'query', text('Which')),
]

function otherPaths(): Json {
  const read = (
    [operationId, tag]: [string, string],
    [description, schema]: [string, Json],
    parameters: Json[] = [],
  ) => ({
    get: {
      tags: [tag],
      operationId,
      parameters,
      responses: { '200': answer(description, schema), ...READ_PROBLEMS },
    },
  })
  const list = {
    type: 'object',
    properties: {
      items: { type: 'array', items: ref('Revision') },
      nextCursor: { type: ['string', 'null'] },
      revision: { type: 'integer' },
    },
  }
  return {
    '/admin/v1/changes': {
      post: {
        tags: ['changes'],
        operationId: 'change',
        parameters: WRITE,
        requestBody: { required: true, content: json(ref('Changes')) },
        responses: { '200': answer('One revision', { type: 'object' }), ...WRITE_PROBLEMS },
      },
    },
    '/admin/v1/revisions': read(
      ['list_revisions', 'audit'],
      ['Newest first', list],
      revisionParameters,
    ),
    '/admin/v1/revisions/{revision}': read(
      ['get_revision', 'audit'],
      ['One revision', ref('Revision')],
      [parameter('revision', 'path', { type: 'integer', description: 'Its number' })],
    ),
    '/admin/v1/fleet': read(['get_fleet', 'observed'], ['Proxies and probes', { type: 'object' }]),
    '/admin/v1/status': read(
      ['get_status', 'observed'],
      ['Health of backends', { type: 'object' }],
    ),
    '/admin/v1/events': {
      get: {
        tags: ['observed'],
        operationId: 'stream_events',
        responses: {
          '200': {
            description: 'Server-sent events: revision, member, status',
            content: { 'text/event-stream': {} },
          },
          '401': READ_PROBLEMS['401'],
        },
      },
    },
  }
}

function resourceSchemas(name: ResourceName): Json {
  const { $schema: _, ...spec } = z.toJSONSchema(DEFINITIONS[name].spec, {
    io: 'input',
    unrepresentable: 'any',
  })
  const properties = { ...(spec['properties'] as Json) }
  if (name === 'backend') {
    properties['apiKey'] = text('Write-only: sealed before it is stored, never shown again')
  }
  const at = text('RFC 3339', { format: 'date-time' })
  const members = {
    id: text('Id'),
    revision: { type: 'integer' },
    createdAt: at,
    updatedAt: at,
    spec: ref(`${titled(name)}Spec`),
  }
  return {
    [`${titled(name)}Spec`]: { ...spec, properties },
    [titled(name)]: {
      type: 'object',
      properties: { ...members, convergence: ref('Convergence') },
      required: Object.keys(members),
    },
    [`${titled(name)}List`]: {
      type: 'object',
      properties: {
        items: { type: 'array', items: ref(titled(name)) },
        nextCursor: { type: ['string', 'null'] },
        revision: { type: 'integer' },
      },
    },
  }
}

function sharedSchemas(): Json {
  const strings = (...names: string[]): Json =>
    Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
  const whole = (...names: string[]): Json =>
    Object.fromEntries(names.map((name) => [name, { type: 'integer' }]))
  const change = { ...strings('resource', 'id', 'op'), before: {}, after: {} }
  return {
    Problem: {
      type: 'object',
      properties: {
        ...strings('type', 'title', 'code', 'detail', 'remedy', 'requestId'),
        ...whole('status'),
        current: {},
        errors: {
          type: 'array',
          items: { type: 'object', properties: strings('path', 'message') },
        },
      },
    },
    Convergence: {
      type: 'object',
      properties: {
        ...whole('acked', 'pending', 'nacked', 'elapsedMs'),
        laggards: { type: 'array', items: { type: 'object', properties: strings('id', 'reason') } },
      },
    },
    Change: { type: 'object', properties: change },
    DryRun: {
      type: 'object',
      properties: {
        dryRun: { const: true },
        ...whole('revision'),
        changes: { type: 'array', items: ref('Change') },
      },
    },
    Changes: {
      type: 'object',
      required: ['operations'],
      properties: {
        ...strings('reason'),
        operations: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              op: { enum: ['create', 'put', 'patch', 'delete'] },
              ...strings('resource', 'id'),
              spec: {},
            },
          },
        },
      },
    },
    Revision: {
      type: 'object',
      properties: {
        ...whole('revision'),
        ...strings('at', 'actor', 'role', 'source', 'requestId', 'hash', 'previousHash'),
        reason: { type: ['string', 'null'] },
        changeRef: { type: ['string', 'null'] },
        address: { type: ['string', 'null'] },
        changes: { type: 'array', items: ref('Change') },
      },
    },
  }
}

/** The OpenAPI 3.1 document; docs/openapi.json is the committed copy of it. */
export function renderOpenApi(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Signalbox admin API',
      version: '1',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths: Object.assign({}, ...RESOURCES.map(resourcePaths), otherPaths()) as Json,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: Object.assign({}, ...RESOURCES.map(resourceSchemas), sharedSchemas()) as Json,
    },
  }
}
