// The parts of which the OpenAPI document is made.
export type Json = Record<string, unknown>
export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
export const json = (schema: Json): Json => ({ 'application/json': { schema } })
export const titled = (name: string) => name.charAt(0).toUpperCase() + name.slice(1)
export const text = (description: string, more: Json = {}): Json => ({
  type: 'string',
  description,
  ...more,
})

export const parameter = (name: string, where: string, schema: Json): Json => ({
  name,
  in: where,
  schema,
  description: schema['description'] ?? name,
  ...(where === 'path' ? { required: true } : {}),
})
export const ID = parameter('id', 'path', text('Id; a slash in it is written %2F'))
export const AS_OF = parameter('asOf', 'query', text('A revision or an RFC 3339 time'))
/** `limit` and `cursor` of a list that comes in pages. */
export const paging = (maximum: number, standard: number): readonly Json[] => [
  parameter('limit', 'query', {
    type: 'integer',
    minimum: 1,
    maximum,
    default: standard,
    description: 'Items a page',
  }),
  parameter('cursor', 'query', text('nextCursor of the page before')),
]
export const LIST = [
  ...paging(1000, 100),
  parameter('label', 'query', text('name or name=value')),
  parameter('kind', 'query', text('Kind of backend')),
  parameter('q', 'query', text('A part of the id')),
  AS_OF,
]
export const WRITE = [
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
export const IF_MATCH = parameter('If-Match', 'header', text('The ETag that was read, or *'))
/** Of the calls that are about the whole configuration. */
export const IF_HEAD = parameter(
  'If-Match',
  'header',
  text('The ETag of GET /config that was read: whatever was changed since, it is 412'),
)

export const problem = (description: string): Json => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
})
export const READ_PROBLEMS = {
  '400': problem('Unknown or wrong parameter'),
  '401': problem('No or unknown token'),
  '403': problem('The role does not reach'),
  '404': problem('Not found'),
  '405': problem('The path has no such method'),
  '408': problem('The request did not come in time'),
  '413': problem('Body over 256 KB (16 MB for /config), or a change that the bus cannot carry'),
  '415': problem('Not declared as JSON (for /config YAML or TOML, too)'),
  '429': problem('Too many calls from this address'),
  '431': problem('The headers or the URL are too long'),
  '500': problem('Our fault'),
  '503': problem('The database does not answer, or too many writes wait'),
}
export const WRITE_PROBLEMS = {
  ...READ_PROBLEMS,
  '409': problem('Exists already, dangling or duplicate reference, still referenced'),
  '412': problem('If-Match is stale; `current` holds the value'),
  '422': problem('Not valid, or the Idempotency-Key was used with another request'),
}
export const answer = (description: string, schema: Json): Json => ({
  description,
  content: json(schema),
})
