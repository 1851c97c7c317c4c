import { DEFINITIONS, parseSpec, type Resource, type WritableName } from '@signalbox/model'
import { type Json, titled } from './openapi-kit.ts'
import { presentResource } from './masking.ts'
import { isIdentity } from './tokens.ts'

/** What the reference shows of an operation; openapi-examples.spec.ts holds it to the real API. */
export interface Note {
  readonly summary: string
  readonly request?: unknown
  /** The same in other media types. */
  readonly sent?: Readonly<Record<string, string>>
  /** Of the answer that is usual. */
  readonly answer?: unknown
  /** The same in other media types. */
  readonly texts?: Readonly<Record<string, string>>
}

interface Sample {
  readonly id: string
  readonly spec: Json
  readonly patch: Json
}

/** One of each kind, in the order in which they can be created. */
export const SAMPLES: Readonly<Record<WritableName, Sample>> = {
  settings: {
    id: 'default',
    spec: { clientAuth: 'blocking' },
    patch: { clientAuth: 'permissive' },
  },
  backend: {
    id: 'vllm-a',
    spec: {
      kind: 'vllm',
      url: 'http://127.0.0.1:8000',
      models: ['llama-3.3-70b'],
      weight: 3,
      labels: { zone: 'eu-1' },
      apiKey: 'secret-of-the-backend',
    },
    patch: { enabled: false },
  },
  policy: {
    id: 'careful',
    spec: { strategy: 'LeastLatency', retry: { maxRetries: 1 } },
    patch: { retry: { maxRetries: 0 } },
  },
  route: {
    id: 'chat',
    spec: {
      aliases: ['gpt-4o'],
      policy: 'careful',
      tiers: [{ targets: [{ backend: 'vllm-a', model: 'llama-3.3-70b' }] }],
    },
    patch: { aliases: ['gpt-4o', 'gpt-4o-mini'] },
  },
  set: {
    id: 'team-a',
    spec: { members: ['route/chat'] },
    patch: { members: [] },
  },
  key: {
    id: 'search-service',
    spec: { owner: 'search', routes: ['chat'], expiresAt: '2027-12-31T00:00:00Z' },
    patch: { enabled: false },
  },
  principal: {
    id: 'ci',
    spec: { role: 'operator', name: 'the deploy pipeline', expiresAt: '2027-12-31T00:00:00Z' },
    patch: { role: 'viewer' },
  },
  secret: {
    id: 'openai',
    spec: {
      value: 'secret-of-the-provider',
      origins: ['https://api.openai.com'],
      description: 'team account',
      labels: { team: 'a' },
    },
    patch: { value: 'another-secret-of-the-provider' },
  },
}

export const AT = '2026-11-24T14:45:09.365Z'
export const REVISION = 7
const FINGERPRINT = '7f0c6f6a2f1b'

/** A resource as the API answers it once it was written. */
export function shown(name: WritableName): Json {
  const { id, spec } = SAMPLES[name]
  const { apiKey, value, ...rest } = spec
  const sealed = { sealed: '-', fingerprint: FINGERPRINT }
  const stored = {
    ...rest,
    ...(apiKey ? { credential: sealed } : {}),
    ...(value ? sealed : {}),
    ...(isIdentity(name) ? { hash: FINGERPRINT.padEnd(64, '0') } : {}),
  }
  const parsed = parseSpec(name, stored)
  if (!parsed.ok)
    throw new Error(`the example of ${name} is wrong: ${JSON.stringify(parsed.error)}`)
  const times = { createdAt: AT, updatedAt: AT }
  const resource = { id, version: 1, revision: REVISION, ...times, spec: parsed.value }
  return presentResource(resource as Resource)
}

/** What is said of the calls that all kinds have. */
export function resourceNotes(name: WritableName): Readonly<Record<string, Note>> {
  const { id, spec, patch } = SAMPLES[name]
  const { plural } = DEFINITIONS[name]
  const one = shown(name)
  const token = isIdentity(name) ? { token: 'sbx-MzPp5rYxDqGkV0sQ2c8hJmJ1bq3bTt1uOe3w0nX7d9E' } : {}
  const notes: Record<string, Note> = {
    [`list_${name}`]: {
      summary: `Lists ${plural}, a page at a time`,
      answer: { items: [one], nextCursor: null, revision: REVISION },
    },
    [`create_${name}`]: {
      summary: `Creates a ${name}`,
      request: { id, spec },
      answer: { ...one, ...token },
    },
    [`get_${name}`]: { summary: `Reads a ${name}, now or as of a revision`, answer: one },
    [`put_${name}`]: {
      summary: `Creates or replaces a ${name}`,
      request: { spec },
      answer: one,
    },
    [`patch_${name}`]: {
      summary: `Changes members of a ${name}`,
      request: { spec: patch },
      answer: one,
    },
    [`delete_${name}`]: { summary: `Deletes a ${name}` },
  }
  if (isIdentity(name)) {
    notes[`rotate_${name}`] = {
      summary: `Gives a ${name} a new token; ${titled(name)} and log keep only its hash`,
      request: { overlap: '1h' },
      answer: {
        ...one,
        spec: {
          ...(one['spec'] as Json),
          previous: { fingerprint: FINGERPRINT, until: '2026-11-24T15:45:09.365Z' },
        },
        ...token,
      },
    }
  }
  return notes
}
