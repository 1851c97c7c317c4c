import { DEFINITIONS, type WritableName } from '@signalbox/model'
import * as z from 'zod'
import {
  answer,
  AS_OF,
  ID,
  IF_MATCH,
  type Json,
  json,
  LIST,
  parameter,
  READ_PROBLEMS,
  ref,
  text,
  titled,
  WRITE,
  WRITE_PROBLEMS,
} from './openapi-kit.ts'
import { isIdentity } from './tokens.ts'

const CASCADE = parameter('cascade', 'query', {
  type: 'boolean',
  default: false,
  description: 'Deletes what refers to it as well (of a policy, its prompt), and names it',
})

const CREDENTIAL: Json = {
  oneOf: [
    { type: 'object', properties: { secret: text('Id of a secret') }, required: ['secret'] },
    {
      type: 'object',
      properties: { fingerprint: text('Of an apiKey; keeps the stored one') },
      required: ['fingerprint'],
    },
  ],
}

const body = (members: Json, required: string[]): Json => ({
  required: required.length > 0,
  content: json({ type: 'object', properties: members, required, additionalProperties: false }),
})

function rotation(name: WritableName, tags: string[]): Json {
  const one = answer('The resource, with its new token', ref(titled(name)))
  return {
    [`/admin/v1/${DEFINITIONS[name].plural}/{id}/rotate`]: {
      post: {
        tags,
        operationId: `rotate_${name}`,
        parameters: [ID, IF_MATCH, ...WRITE],
        requestBody: body({ overlap: text('How long the former token is good: 1h') }, []),
        responses: { '200': one, ...WRITE_PROBLEMS },
      },
    },
  }
}

/** The calls for one kind of resource; all kinds have the same ones. */
export function resourcePaths(name: WritableName): Json {
  const base = `/admin/v1/${DEFINITIONS[name].plural}`
  const tags = [DEFINITIONS[name].plural]
  const one = answer('The resource', ref(titled(name)))
  const spec = ref(`${titled(name)}Spec`)
  const wrote = (more: Json): Json => ({ ...more, ...WRITE_PROBLEMS })
  return {
    ...(isIdentity(name) ? rotation(name, tags) : {}),
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
        parameters: [ID, CASCADE, IF_MATCH, ...WRITE],
        responses: wrote({
          '204': { description: 'Deleted' },
          '200': answer('Deleted with what is named, or waited', ref('Changed')),
        }),
      },
    },
  }
}

/** A resource, its spec as it is written, and a page of them. */
export function resourceSchemas(name: WritableName): Json {
  const { $schema: _, ...spec } = z.toJSONSchema(DEFINITIONS[name].spec, {
    io: 'input',
    unrepresentable: 'any',
  })
  const properties = { ...(spec['properties'] as Json) }
  if (name === 'backend') {
    properties['apiKey'] = text('Write-only: sealed before it is stored, never shown again')
    properties['credential'] = CREDENTIAL
  }
  if (name === 'secret') {
    delete properties['sealed']
    properties['value'] = text('Write-only: sealed before it is stored, never shown again')
    properties['fingerprint'] = text('Of the value; read-only')
  }
  // Written by the control plane alone; people see the fingerprint.
  const hidden = ['hash', 'sealed', 'fingerprint']
  const required = (spec['required'] as string[] | undefined)?.filter(
    (one) => !hidden.includes(one),
  )
  if (isIdentity(name)) {
    delete properties['hash']
    delete properties['previous']
    properties['fingerprint'] = text('Of the token; read-only')
  }
  const at = text('RFC 3339', { format: 'date-time' })
  const members = {
    id: text('Id'),
    revision: { type: 'integer' },
    createdAt: at,
    updatedAt: at,
    spec: ref(`${titled(name)}Spec`),
  }
  const shown = isIdentity(name) ? { token: text('Shown once, when it was made') } : {}
  return {
    [`${titled(name)}Spec`]: { ...spec, properties, ...(required ? { required } : {}) },
    [titled(name)]: {
      type: 'object',
      properties: { ...members, ...shown, convergence: ref('Convergence') },
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
