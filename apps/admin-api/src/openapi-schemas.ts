import { REASONS } from '@signalbox/routing'
import { type Json, ref } from './openapi-kit.ts'

const strings = (...names: string[]): Json =>
  Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
const whole = (...names: string[]): Json =>
  Object.fromEntries(names.map((name) => [name, { type: 'integer' }]))
const candidate = {
  type: 'object',
  properties: {
    ...whole('tier'),
    ...strings('route', 'backend', 'model'),
    weight: { type: 'number' },
    share: { type: 'number' },
    reason: { enum: Object.keys(REASONS) },
  },
}
const operation = { type: 'object', properties: { ...strings('op', 'path'), value: {} } }
const patch = { type: 'array', items: operation, description: 'RFC 6902; of an update only' }
const change = { ...strings('resource', 'id', 'op'), before: {}, after: {}, patch }
const sealedStatus: Json = {
  ...strings('key'),
  previousKeys: { type: 'array', items: { type: 'string' } },
  keys: {
    type: 'array',
    items: {
      type: 'object',
      properties: {
        key: { type: ['string', 'null'], description: 'Id of a master key' },
        state: { enum: ['current', 'previous', 'missing'] },
        ...whole('secrets', 'backends'),
      },
    },
  },
  ...whole('remaining'),
  missing: { type: 'array', items: { type: 'string' }, description: 'secret/ID or backend/ID' },
}
const laggards = { type: 'array', items: { type: 'object', properties: strings('id', 'reason') } }
const listOf = (name: string): Json => ({ type: 'array', items: ref(name) })
const nullable = (type: string): Json => ({ type: [type, 'null'] })
/** An object that has all of these. */
const whose = (properties: Json): Json => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
})
/** What is observed, and who looks at it. */
export const OBSERVED_SCHEMAS: Json = {
  Session: whose({
    ...strings('actor'),
    role: { enum: ['viewer', 'operator', 'admin'] },
    expiresAt: nullable('string'),
  }),
  Member: whose({
    ...strings('id', 'version', 'state', 'lastSeenAt'),
    role: { enum: ['proxy', 'probe'] },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    ...whole('received', 'active', 'lag'),
    nacks: {
      type: 'array',
      items: whose({ ...whole('revision'), ...strings('resource', 'id', 'code', 'message') }),
    },
    load: {
      type: ['object', 'null'],
      properties: whole('requestsTotal', 'inFlight', 'rssBytes'),
      required: ['requestsTotal', 'inFlight', 'rssBytes'],
    },
    live: { type: 'boolean' },
  }),
  Fleet: whose({
    head: whose({ ...strings('lineage'), ...whole('epoch', 'revision') }),
    ...whole('live', 'applied'),
    convergence: whose({
      ...whole('revision', 'acked', 'pending', 'nacked', 'measured'),
      committedAt: nullable('string'),
      p50Ms: nullable('number'),
      p99Ms: nullable('number'),
      laggards,
    }),
    members: listOf('Member'),
    nextCursor: nullable('string'),
  }),
  Status: whose({
    ...strings('backend', 'health'),
    since: nullable('string'),
    checkedAt: nullable('string'),
    latencyMs: nullable('number'),
    error: nullable('string'),
    models: { type: ['array', 'null'], items: { type: 'string' } },
    observer: nullable('string'),
  }),
  Observation: whose({
    ...strings('observer', 'health', 'checkedAt'),
    latencyMs: nullable('number'),
    error: nullable('string'),
    ...whole('revision'),
    counts: { type: 'boolean', description: 'It is heard, and has a word to say' },
  }),
  ObservedStatus: {
    allOf: [ref('Status')],
    properties: { observers: listOf('Observation') },
  },
  Statuses: whose({
    items: listOf('ObservedStatus'),
    nextCursor: nullable('string'),
    ...whole('revision'),
  }),
}
/** What several calls answer or take. */
export const SHARED_SCHEMAS: Json = {
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
  SealedStatus: {
    type: 'object',
    properties: { ...sealedStatus, ...whole('answersRemaining') },
  },
  Rewrapped: {
    type: 'object',
    properties: { ...whole('revision', 'resealed'), ...sealedStatus },
  },
  Change: { type: 'object', properties: change },
  Changed: {
    type: 'object',
    properties: {
      ...whole('revision'),
      changes: { type: 'array', items: ref('Change') },
      convergence: ref('Convergence'),
    },
  },
  Verified: {
    type: 'object',
    properties: {
      ok: { type: 'boolean' },
      ...whole('revision', 'checkpoints'),
      ...strings('hash'),
      problems: {
        type: 'array',
        items: { type: 'object', properties: { ...whole('revision'), ...strings('message') } },
      },
    },
  },
  SignedSnapshot: {
    type: 'object',
    properties: {
      ...strings('lineage', 'hash'),
      ...whole('epoch', 'revision'),
      manifest: { type: 'object', properties: strings('text', 'signature') },
    },
  },
  Checkpoint: {
    type: 'object',
    properties: { ...strings('note', 'key', 'hash'), ...whole('revision', 'epoch') },
  },
  Denials: {
    type: 'object',
    properties: {
      items: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            ...whole('id', 'status'),
            ...strings('at', 'method', 'path', 'code', 'requestId'),
            actor: { type: ['string', 'null'] },
            role: { type: ['string', 'null'] },
            address: { type: ['string', 'null'] },
          },
        },
      },
      nextCursor: { type: ['string', 'null'] },
    },
  },
  Explain: {
    type: 'object',
    description: 'A model, or a recorded request',
    properties: {
      ...strings('model'),
      requestId: { type: 'string', description: 'The x-request-id of an answer' },
      revision: { type: ['integer', 'string'], description: 'Or an RFC 3339 time; now' },
      down: { type: 'array', items: { type: 'string' }, description: 'Take these as down' },
      path: { type: 'string', description: 'As the client writes it; it may name the model' },
      key: {
        type: ['string', 'null'],
        description: 'Id of the key that is shown; null: none is. Where absent, keys do not matter',
      },
      headers: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'What ConsistentHash reads of them, x-session-id too; no credentials',
      },
      user: { type: 'string', description: 'The member `user` of the body' },
      hashOf: { type: 'string', description: 'In place of what the policies would hash' },
      place: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'Labels of the proxy (zone, region), for Locality',
      },
    },
  },
  Explanation: {
    type: 'object',
    properties: {
      ...strings('model'),
      ...whole('revision'),
      outcome: {
        enum: [
          ...['picked', 'no_backend', 'backend_full', 'model_not_found'],
          ...['missing_key', 'invalid_key', 'key_not_allowed'],
        ],
      },
      operation: { type: 'string', description: 'Of the path, where one was said' },
      picked: { anyOf: [candidate, { type: 'null' }] },
      route: {
        type: ['object', 'null'],
        properties: strings('id', 'found', 'policy', 'strategy'),
      },
      fallback: { type: ['string', 'null'], description: 'The route that takes it instead' },
      candidates: { type: 'array', items: candidate },
    },
  },
  Diff: {
    type: 'object',
    properties: { ...whole('from', 'to'), changes: { type: 'array', items: ref('Change') } },
  },
  Rollback: {
    type: 'object',
    required: ['toRevision'],
    properties: {
      ...whole('toRevision'),
      ...strings('reason'),
      resources: {
        type: 'array',
        description: 'Only these; all where it is not said',
        items: { type: 'object', properties: strings('resource', 'id') },
      },
    },
  },
  Config: {
    type: 'object',
    additionalProperties: false,
    properties: {
      secrets: { type: 'object', additionalProperties: ref('SecretSpec') },
      backends: { type: 'object', additionalProperties: ref('BackendSpec') },
      routes: { type: 'object', additionalProperties: ref('RouteSpec') },
      policies: { type: 'object', additionalProperties: ref('PolicySpec') },
      settings: { type: 'object', additionalProperties: ref('SettingsSpec') },
    },
  },
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
            ifMatch: {
              type: ['integer', 'string'],
              description: 'The revision of the resource that was read, its ETag, or *; no create',
            },
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
      undoes: { type: ['object', 'null'], properties: whole('after', 'through') },
      changes: { type: 'array', items: ref('Change') },
    },
  },
}
