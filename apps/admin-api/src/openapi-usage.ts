import { REROUTED } from '@signalbox/routing'
import { USAGE_DIMENSIONS } from '@signalbox/store'
import {
  answer,
  type Json,
  json,
  paging,
  parameter,
  READ_PROBLEMS,
  ref,
  text,
  WRITE_PROBLEMS,
} from './openapi-kit.ts'

const whole = { type: 'integer' }
const number = { type: 'number' }
const string = { type: 'string' }
const orNull = (type: string): Json => ({ type: [type, 'null'] })
const object = (properties: Json): Json => ({ type: 'object', properties })
const listOf = (items: Json): Json => ({ type: 'array', items })

const counts = Object.fromEntries(
  ['prompt', 'completion', 'cached', 'reasoning'].map((one) => [one, orNull('integer')]),
)
const tokens = object(counts)
const estimated = { type: 'boolean', description: 'A guess: the backend did not count' }
const attempt = { backend: orNull('string'), outcome: string, ms: number }

/** What requests were, explained and planned with. */
export const USAGE_SCHEMAS: Json = {
  Request: object({
    ...{ id: string, requestId: string, at: string, proxy: string, operation: string },
    ...{ revision: orNull('integer'), key: orNull('string'), model: orNull('string') },
    ...{ route: orNull('string'), backend: orNull('string'), status: whole, bytes: whole },
    ...{ code: orNull('string'), durationMs: number, firstByteMs: orNull('number') },
    attempts: listOf(object(attempt)),
    tokens: object({ ...counts, estimated }),
    costUsd: orNull('number'),
  }),
  ExplainedRequest: object({
    request: ref('Request'),
    revision: whole,
    replayed: { type: 'boolean', description: 'Whether every pick was made again exactly' },
    why: { ...orNull('string'), description: 'Why not' },
    matches: { type: 'integer', description: 'Requests of this id; the newest is explained' },
    attempts: listOf(
      object({
        ...attempt,
        replayed: { type: 'boolean' },
        why: orNull('string'),
        route: orNull('object'),
        candidates: listOf({ type: 'object' }),
      }),
    ),
    elsewhere: ref('Explanation'),
  }),
  Plan: object({
    operations: { type: 'array', items: { type: 'object' }, description: 'As POST /changes' },
    config: ref('Config'),
    set: {
      type: ['string', 'null'],
      description: 'With config, like the two below: as PUT /config',
    },
    prune: { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
    lastRequests: { type: 'integer', minimum: 1, maximum: 10_000, default: 1_000 },
  }),
  Planned: object({
    dryRun: { const: true },
    revision: whole,
    changes: listOf(ref('Change')),
    requests: object({
      looked: whole,
      since: orNull('string'),
      elsewhere: { type: 'integer', description: 'Would not go where they went' },
      perhaps: { type: 'integer', description: 'May go elsewhere, by chance or turn' },
      groups: listOf(
        object({
          route: string,
          reason: { enum: Object.keys(REROUTED) },
          why: string,
          certain: { type: 'boolean' },
          requests: whole,
          examples: listOf(string),
        }),
      ),
    }),
  }),
  Usage: object({
    from: string,
    to: string,
    groupBy: listOf(string),
    items: listOf(
      object({
        ...Object.fromEntries(USAGE_DIMENSIONS.map((one) => [one, orNull('string')])),
        costUsd: { ...orNull('number'), description: 'US dollars' },
        costEstimatedUsd: { ...number, description: 'Of it, guessed: the backend did not count' },
        ...{ requests: whole, errors: whole, tokens, meanMs: number, p95Ms: number },
        estimated: { type: 'integer', description: 'Requests whose tokens are a guess' },
      }),
    ),
    truncated: { type: 'boolean', description: 'There are more groups than the limit' },
  }),
}

const filter = (name: string, description: string) => parameter(name, 'query', text(description))
const observed = (operationId: string, schema: Json, parameters: readonly Json[]): Json => ({
  get: {
    tags: ['observed'],
    operationId,
    parameters,
    responses: { '200': answer('What requests were', schema), ...READ_PROBLEMS },
  },
})

export const USAGE_PATHS: Json = {
  '/admin/v1/usage': observed('get_usage', ref('Usage'), [
    filter('groupBy', `Some of ${USAGE_DIMENSIONS.join(', ')}, by commas; none: all together`),
    filter('from', 'RFC 3339; a day before `to` where it is not said'),
    filter('to', 'RFC 3339; now where it is not said'),
    parameter('limit', 'query', {
      ...{ type: 'integer', minimum: 1, maximum: 1_000, default: 100 },
      description: 'Groups, those with the most requests',
    }),
  ]),
  '/admin/v1/requests': observed(
    'list_requests',
    object({ items: listOf(ref('Request')), nextCursor: orNull('string') }),
    [
      ...paging(500, 50),
      filter('requestId', 'The x-request-id of an answer'),
      filter('route', 'Id of the route'),
      filter('key', 'Id of the key'),
      filter('backend', 'Id of the backend of the last attempt'),
      filter('status', 'A status such as 502, or 5xx'),
      filter('since', 'RFC 3339'),
    ],
  ),
  '/admin/v1/plan': {
    post: {
      tags: ['changes'],
      operationId: 'plan',
      description: 'Writes nothing.',
      requestBody: { required: true, content: json(ref('Plan')) },
      responses: {
        '200': answer('The diff, and which recorded requests it would move', ref('Planned')),
        ...WRITE_PROBLEMS,
      },
    },
  },
}
