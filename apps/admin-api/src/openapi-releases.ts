import { RELEASE_STATES, releasePlan } from '@signalbox/model'
import * as z from 'zod'
import { AT, type Note, REVISION } from './openapi-examples.ts'
import {
  answer,
  AS_OF,
  json,
  type Json,
  parameter,
  READ_PROBLEMS,
  ref,
  text,
  WRITE,
  WRITE_PROBLEMS,
} from './openapi-kit.ts'

const RELEASE_ID = `release-${REVISION}`
const whole = { type: 'integer' }
const string = { type: 'string' }
const orNull = (type: string): Json => ({ type: [type, 'null'] })
const object = (properties: Json): Json => ({ type: 'object', properties })
const listOf = (items: Json): Json => ({ type: 'array', items })
const side = {
  ...object({ proxies: whole, requests: whole, errors: whole }),
  type: ['object', 'null'],
}
const { properties: plan } = z.toJSONSchema(releasePlan, { io: 'input' }) as {
  readonly properties: Json
}

export const RELEASE_SCHEMAS: Json = {
  StartRelease: object({
    operations: listOf({ type: 'object', description: 'As POST /changes; or `revision`' }),
    revision: { type: 'integer', description: 'What was after it comes back, stage by stage' },
    reason: text('Why; kept in the audit log'),
    ...plan,
  }),
  StepRelease: object({ reason: text('Why; kept in the audit log') }),
  PromoteRelease: object({
    full: { type: 'boolean', default: false, description: 'To the end, not to the next stage' },
    reason: text('Why; kept in the audit log'),
  }),
  Release: object({
    ...{ id: string, state: { enum: [...RELEASE_STATES] }, actor: string },
    revision: { type: 'integer', description: 'The staged one' },
    base: { type: 'integer', description: 'What the other proxies route by' },
    stage: { type: 'integer', description: 'Index of the stage that it has come to' },
    stageAt: { type: 'string', description: 'When that began' },
    ...{ reason: orNull('string'), createdAt: string, updatedAt: string },
    guard: { type: 'object' },
    stages: listOf({ type: 'object' }),
    changes: listOf(object({ resource: string, id: string })),
    verdict: {
      ...object({ verdict: { enum: ['good', 'bad', 'inconclusive'] }, why: string }),
      type: ['object', 'null'],
      description: 'Now; null once it has ended',
    },
    cohort: side,
    control: side,
    why: { ...orNull('string'), description: 'Why it ended as it did' },
  }),
}

const ID = { ...parameter('id', 'path', text('Id of the release')), example: RELEASE_ID }
const step = (operationId: string, schema: string, description: string): Json => ({
  post: {
    tags: ['releases'],
    operationId,
    parameters: [ID, ...WRITE],
    requestBody: { required: true, content: json(ref(schema)) },
    responses: { '200': answer(description, ref('Release')), ...WRITE_PROBLEMS },
  },
})

export const RELEASE_PATHS: Json = {
  '/admin/v1/releases': {
    get: {
      tags: ['releases'],
      operationId: 'list_releases',
      description: 'With asOf, as the log has them: without verdict, cohort and control',
      parameters: [AS_OF],
      responses: {
        '200': answer(
          'Newest first, the last 50',
          object({ items: listOf(ref('Release')), revision: whole }),
        ),
        ...READ_PROBLEMS,
      },
    },
    post: {
      tags: ['releases'],
      operationId: 'start_release',
      description: 'One revision, which only a part of the proxies activates at first',
      parameters: WRITE,
      requestBody: { required: true, content: json(ref('StartRelease')) },
      responses: {
        '200': answer('What a dry run would change', ref('DryRun')),
        '201': answer('The release', ref('Release')),
        ...WRITE_PROBLEMS,
      },
    },
  },
  '/admin/v1/releases/{id}': {
    get: {
      tags: ['releases'],
      operationId: 'get_release',
      description: 'With asOf, as the log has it: without verdict, cohort and control',
      parameters: [ID, AS_OF],
      responses: { '200': answer('The release', ref('Release')), ...READ_PROBLEMS },
    },
  },
  '/admin/v1/releases/{id}/promote': step('promote_release', 'PromoteRelease', 'As it is now'),
  '/admin/v1/releases/{id}/rollback': step('rollback_release', 'StepRelease', 'As it is now'),
}

const started = {
  id: RELEASE_ID,
  state: 'open',
  revision: REVISION,
  base: REVISION - 1,
  stage: 0,
  stageAt: AT,
  actor: 'ci',
  reason: 'a larger model',
  guard: { maxErrorRateIncrease: 0.01, minRequests: 100 },
  stages: [
    { percent: 10, bake: 60_000 },
    { percent: 50, bake: 300_000 },
  ],
  changes: [{ resource: 'policy', id: 'quick' }],
  verdict: null,
  cohort: null,
  control: null,
  why: null,
  createdAt: AT,
  updatedAt: AT,
}
const standing = {
  ...started,
  verdict: { verdict: 'inconclusive', why: 'the cohort had 37 of 100 requests' },
  cohort: { proxies: 1, requests: 37, errors: 0 },
  control: { proxies: 9, requests: 340, errors: 2 },
}

/** What is said of the calls about releases. */
export const RELEASE_NOTES: Readonly<Record<string, Note>> = {
  list_releases: {
    summary: 'The release that is open, and the last ones that have ended',
    answer: { items: [standing], revision: REVISION },
  },
  start_release: {
    summary: 'Starts a release: changes that a part of the fleet tries first',
    request: {
      operations: [
        { op: 'put', resource: 'policy', id: 'quick', spec: { retry: { maxRetries: 0 } } },
      ],
      reason: 'a larger model',
      stages: [
        { percent: 10, bake: '60s' },
        { percent: 50, bake: '5m' },
      ],
    },
    answer: started,
  },
  get_release: { summary: 'A release, and how it does', answer: standing },
  promote_release: {
    summary: 'Goes on to the next stage now, or to the end',
    request: { full: false, reason: 'there is little traffic at night' },
    answer: { ...started, stage: 1 },
  },
  rollback_release: {
    summary: 'Takes a release back now',
    request: { reason: 'its answers are nonsense' },
    answer: {
      ...started,
      state: 'rolled-back',
      why: 'rolled back by ci: its answers are nonsense',
    },
  },
}
