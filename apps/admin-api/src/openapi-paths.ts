import { RESOURCES } from '@signalbox/model'
import {
  answer,
  AS_OF,
  IF_HEAD,
  type Json,
  json,
  paging,
  parameter,
  READ_PROBLEMS,
  ref,
  text,
  WRITE,
  WRITE_PROBLEMS,
} from './openapi-kit.ts'
import { BY_ID } from './paging.ts'

const revisionParameters = [
  ...paging(200, 50),
  parameter('actor', 'query', text('Who')),
  parameter('resource', 'query', {
    type: 'string',
    enum: [...RESOURCES],
    description: 'What kind',
  }),
  parameter('id', 'query', text('Which')),
  parameter('from', 'query', text('Committed at or after this RFC 3339 time')),
  parameter('to', 'query', text('Committed at or before this RFC 3339 time')),
]

const flag = (name: string, description: string): Json =>
  parameter(name, 'query', { type: 'boolean', default: false, description })

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
/** Everything but the resources. */
export const OTHER_PATHS: Json = {
  '/admin/v1/session': {
    ...read(['get_session', 'session'], ['Who calls', ref('Session')]),
    post: {
      tags: ['session'],
      operationId: 'begin_session',
      description: 'Answers a cookie that stands for the token, for eight hours: of the console.',
      responses: { '200': answer('Who calls', ref('Session')), ...READ_PROBLEMS },
    },
    delete: {
      tags: ['session'],
      operationId: 'end_session',
      responses: { '204': { description: 'The cookie is taken back' }, ...READ_PROBLEMS },
    },
  },
  '/admin/v1/changes': {
    post: {
      tags: ['changes'],
      operationId: 'change',
      parameters: [...WRITE, IF_HEAD],
      requestBody: { required: true, content: json(ref('Changes')) },
      responses: { '200': answer('One revision', ref('Changed')), ...WRITE_PROBLEMS },
    },
  },
  '/admin/v1/config': {
    ...read(
      ['get_config', 'config'],
      ['The whole desired state: specs by id, credentials masked', ref('Config')],
      [
        AS_OF,
        parameter('format', 'query', {
          type: 'string',
          enum: ['json', 'yaml', 'toml'],
          default: 'json',
          description: 'How it is written',
        }),
      ],
    ),
    put: {
      tags: ['config'],
      operationId: 'apply_config',
      parameters: [
        flag('prune', 'Deletes what the document does not name (of the set, or of all)'),
        flag('force', 'Prunes even more than 20 % of what is there'),
        parameter('set', 'query', text('Who applies; owns what the document names')),
        ...WRITE,
        IF_HEAD,
      ],
      requestBody: {
        required: true,
        content: {
          ...json(ref('Config')),
          'application/yaml': { schema: ref('Config') },
          'application/toml': { schema: ref('Config') },
        },
      },
      responses: { '200': answer('One revision', ref('Changed')), ...WRITE_PROBLEMS },
    },
  },
  '/admin/v1/snapshot': read(
    ['get_snapshot', 'config'],
    ['The signed manifest of a snapshot of all that is committed by now', ref('SignedSnapshot')],
  ),
  '/admin/v1/snapshot/chunks/{hash}': {
    get: {
      tags: ['config'],
      operationId: 'get_snapshot_chunk',
      parameters: [parameter('hash', 'path', text('As the manifest names it'))],
      responses: {
        '200': {
          description: 'Its resources as JSON, gzipped; credentials in it are sealed',
          content: { 'application/gzip': {} },
        },
        ...READ_PROBLEMS,
      },
    },
  },
  '/admin/v1/secrets/status': read(
    ['get_secrets_status', 'secrets'],
    ['Which master key what is sealed is under', ref('SealedStatus')],
  ),
  '/admin/v1/secrets/rewrap': {
    post: {
      tags: ['secrets'],
      operationId: 'rewrap_secrets',
      description: 'Seals anew under the master key of now; again while `remaining` is not 0',
      parameters: WRITE,
      responses: {
        '200': answer('One revision, of a bounded size', ref('Rewrapped')),
        ...WRITE_PROBLEMS,
      },
    },
  },
  '/admin/v1/explain': {
    post: {
      tags: ['observed'],
      operationId: 'explain',
      description: 'Needs the role viewer: nothing is written',
      requestBody: { required: true, content: json(ref('Explain')) },
      responses: {
        '200': answer('Who would take the request, and why; or who took it', {
          oneOf: [ref('Explanation'), ref('ExplainedRequest')],
        }),
        ...READ_PROBLEMS,
        '422': WRITE_PROBLEMS['422'],
      },
    },
  },
  '/admin/v1/diff': read(
    ['diff', 'time'],
    ['What leads from one revision to another', ref('Diff')],
    [
      { ...parameter('from', 'query', text('A revision or an RFC 3339 time')), required: true },
      parameter('to', 'query', text('The same; now where it is not said')),
    ],
  ),
  '/admin/v1/rollback': {
    post: {
      tags: ['time'],
      operationId: 'rollback',
      parameters: [...WRITE, IF_HEAD],
      requestBody: { required: true, content: json(ref('Rollback')) },
      responses: { '200': answer('One revision', ref('Changed')), ...WRITE_PROBLEMS },
    },
  },
  '/admin/v1/epochs': {
    post: {
      tags: ['time'],
      operationId: 'begin_epoch',
      description:
        'After it, what proxies applied of the epoch before and the log does not have is undone',
      parameters: WRITE.filter(
        ({ in: where, name }) => where === 'header' && name !== 'Idempotency-Key',
      ),
      requestBody: {
        required: true,
        content: json({ type: 'object', properties: { reason: text('Why') } }),
      },
      responses: {
        '200': answer('The epoch, and its first revision', { type: 'object' }),
        ...WRITE_PROBLEMS,
      },
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
  '/admin/v1/audit/verify': read(
    ['verify_audit', 'audit'],
    ['What the whole log, its index and its state, and the checkpoints say', ref('Verified')],
  ),
  '/admin/v1/audit/checkpoint': read(
    ['get_checkpoint', 'audit'],
    ['The end of the log as a C2SP signed note; keep it somewhere else', ref('Checkpoint')],
  ),
  '/admin/v1/audit/export': {
    get: {
      tags: ['audit'],
      operationId: 'export_audit',
      description: 'Needs the role admin: credentials are in it, sealed',
      responses: {
        '200': {
          description: 'The log as NDJSON, to be verified offline',
          content: { 'application/x-ndjson': {} },
        },
        ...READ_PROBLEMS,
      },
    },
  },
  '/admin/v1/audit/denials': read(
    ['list_denials', 'audit'],
    ['Calls that were refused, newest first; needs the role operator', ref('Denials')],
    [...paging(1000, 100)],
  ),
  '/admin/v1/audit/last-uses': read(
    ['list_last_uses', 'audit'],
    ['When each principal was last seen, to a minute; sorted by id', { type: 'object' }],
    [...paging(BY_ID.most, BY_ID.otherwise)],
  ),
  '/admin/v1/fleet': read(
    ['get_fleet', 'observed'],
    ['Proxies and probes', ref('Fleet')],
    [
      parameter('revision', 'query', {
        type: 'integer',
        description: 'How this one spread; the head',
      }),
      ...paging(BY_ID.most, BY_ID.otherwise),
    ],
  ),
  '/admin/v1/status': read(
    ['get_status', 'observed'],
    ['Health of backends, sorted by id', ref('Statuses')],
    [...paging(BY_ID.most, BY_ID.otherwise)],
  ),
  '/admin/v1/status/{backend}': read(
    ['get_status_of', 'observed'],
    ['Health of one backend', ref('ObservedStatus')],
    [parameter('backend', 'path', text('Its id; a slash in it is written %2F'))],
  ),
  '/admin/v1/status/{backend}/history': read(
    ['get_status_history', 'observed'],
    ['When it changed sides, newest first: 200 changes, 30 days at most', { type: 'object' }],
    [
      parameter('backend', 'path', text('Its id; a slash in it is written %2F')),
      ...paging(200, 50),
    ],
  ),
  '/admin/v1/events': {
    get: {
      tags: ['observed'],
      operationId: 'stream_events',
      responses: {
        '200': {
          description: 'Server-sent events: revision, member, status, release',
          content: { 'text/event-stream': {} },
        },
        ...READ_PROBLEMS,
      },
    },
  },
}
