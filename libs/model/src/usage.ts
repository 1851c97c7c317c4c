import * as z from 'zod'

/** Tokens of a request as its backend counted them; null: not known. */
export interface Tokens {
  readonly prompt: number | null
  readonly completion: number | null
  /** Of the prompt: read from the backend's cache. */
  readonly cached: number | null
  /** Of the completion: spent on reasoning. */
  readonly reasoning: number | null
  /** The backend did not count: what is not null is a guess of ours. */
  readonly estimated?: boolean | undefined
}
export const TOKENS_UNKNOWN: Tokens = {
  prompt: null,
  completion: null,
  cached: null,
  reasoning: null,
}

/**
 * What a pick was decided on, as far as it looked: enough to make it again under the same table.
 * Written by libs/routing record.ts, and read by its replay.ts alone. Targets are named by their
 * place: counted from 0 through all tiers of the route. What is not there is as in a fresh table,
 * or up, idle and never measured.
 */
export interface PickInputs {
  readonly v: 1
  readonly strategy: string
  /** The tier that was picked from; -1: nothing could be used. */
  readonly tier: number
  /** Tiers that were looked at, where these are not all up to `tier`. */
  readonly tiers?: number
  /** fingerprintOfRoute(): whether another table has the same targets in the same order. */
  readonly of: number
  /** What tiers kept from the picks before. */
  readonly kept?: readonly KeptOfTier[]
  /** Random numbers that were drawn, in order. */
  readonly draws?: readonly number[]
  /** What the policy's hash is taken of, hashed. */
  readonly hash?: number
  /** Labels of the proxy by which near and far are told. */
  readonly place?: Readonly<Record<string, string>>
  /** Where it counts: place, requests in flight, latency in ms (null: no sample yet). */
  readonly costs?: readonly (readonly [number, number, number | null])[]
  /** Places that probes found down, or without room. */
  readonly down?: readonly number[]
  readonly full?: readonly number[]
  /** Left alone by their breakers: because of failures, or because nobody listened there. */
  readonly ejected?: readonly number[]
  readonly unreached?: readonly number[]
  /** In slow start: place, and the part of its share that it got. */
  readonly slow?: readonly (readonly [number, number])[]
  /** Ids of the backends that this request was not to try again. */
  readonly tried?: readonly string[]
}

export interface KeptOfTier {
  readonly tier: number
  /** Under Locality: how many levels are nearer. */
  readonly level?: number
  /** Where round robin stood. */
  readonly cursor?: number
  /** Whose turn it was: among the groups, then in each group. */
  readonly turns?: readonly (readonly number[])[]
  /** A survey used again: load, usable weight, weight, in service, up, ejected, picks left, age. */
  readonly survey?: readonly number[]
}

export interface AttemptRecord {
  /** The fallback route that it was made for; left out where it was the request's own route. */
  readonly route?: string | undefined
  /** Null: no backend could be picked; then `outcome` says why. */
  readonly backend: string | null
  /** `answered`, a failure's code, or `outrun`: another one answered first. */
  readonly outcome: string
  readonly ms: number
  /** It was made beside another one that was late. */
  readonly hedge?: boolean | undefined
  /** Null: what the pick was decided on could not be recorded. */
  readonly inputs: PickInputs | null
}

/** One request when it is over. No header, no prompt, no answer, no secret. */
export interface RequestRecord {
  /** Unique in its proxy: a start's own number and a count. */
  readonly id: string
  /** As the client said it or the proxy made it (`x-request-id`); may repeat. */
  readonly requestId: string
  /** When it came, ms since the epoch. */
  readonly atMs: number
  readonly proxy: string
  /** Of the table that it was routed by; null: it got no further. */
  readonly revision: number | null
  readonly operation: string
  readonly key: string | null
  /** As the client wrote it, cut to MODEL_RECORDED_MAX. */
  readonly model: string | null
  readonly route: string | null
  readonly status: number
  readonly code: string | null
  readonly durationMs: number
  readonly firstByteMs: number | null
  readonly bytes: number
  readonly attempts: readonly AttemptRecord[]
  readonly tokens: Tokens
  /** US dollars; null: nothing was answered, or nobody knows the price. */
  readonly costUsd: number | null
}

/** Characters of a model's name that a record holds. */
export const MODEL_RECORDED_MAX = 255
/** Attempts that a record holds: more than any policy allows. */
export const ATTEMPTS_RECORDED_MAX = 16
/** Bytes of one batch of records on the wire and on disk. */
export const USAGE_BYTES_MAX = 256 * 1024

const COST_MAX = 1_000_000_000

const name = z.string().min(1).max(MODEL_RECORDED_MAX).refine(isStorable)
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const ms = z.number().min(0).max(Number.MAX_SAFE_INTEGER)
const tokens = count.nullable()
const attempt = z.object({
  route: name.optional(),
  backend: name.nullable(),
  outcome: name,
  ms,
  hedge: z.boolean().optional(),
  // Read by libs/routing when somebody asks, and only then.
  inputs: z.custom<PickInputs>((value) => typeof value === 'object' && value !== null).nullable(),
})
const record = z.object({
  id: name,
  requestId: name,
  atMs: ms,
  proxy: name,
  revision: count.nullable(),
  operation: name,
  key: name.nullable(),
  model: z.string().max(MODEL_RECORDED_MAX).refine(isStorable).nullable(),
  route: name.nullable(),
  status: z.number().int().min(100).max(999),
  code: name.nullable(),
  durationMs: ms,
  firstByteMs: ms.nullable(),
  bytes: count,
  attempts: z.array(attempt).max(ATTEMPTS_RECORDED_MAX),
  tokens: z.object({
    ...{ prompt: tokens, completion: tokens, cached: tokens, reasoning: tokens },
    estimated: z.boolean().optional(),
  }),
  // A proxy of before costs has none.
  costUsd: z.number().min(0).max(COST_MAX).nullable().default(null),
})

/** Postgres stores no NUL and no half of a surrogate pair. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** A record as one line: what travels, and what lies on disk. */
export function encodeRecord(one: RequestRecord): string {
  return `${JSON.stringify(one)}\n`
}

/** The records of a batch, and how many lines are none. */
export function decodeRecords(text: string): {
  readonly records: readonly RequestRecord[]
  readonly malformed: number
} {
  const lines = text.split('\n').filter((line) => line !== '')
  const records = lines.flatMap((line) => {
    const parsed = record.safeParse(parseJson(line))
    return parsed.success ? [parsed.data] : []
  })
  return { records, malformed: lines.length - records.length }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
