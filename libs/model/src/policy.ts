import * as z from 'zod'
import { durationMs, durationS, labels, modelName, resourceId, strict } from './fields.ts'
import { limitsSpec } from './limits.ts'

/** Strategies that this version can pick by. */
export const STRATEGIES = [
  'RoundRobin',
  'WeightedRoundRobin',
  'LeastLatency',
  'Random',
  'ConsistentHash',
  'LeastRequests',
  'PrefixAware',
  'Locality',
] as const
export type Strategy = (typeof STRATEGIES)[number]

/** What decides where a strategy has nothing to go by: no sample, no hash, or within one place. */
export const FALLBACK_STRATEGIES = [
  'RoundRobin',
  'WeightedRoundRobin',
  'Random',
  'LeastRequests',
] as const
export type FallbackStrategy = (typeof FALLBACK_STRATEGIES)[number]

/** Name of a request header, in small letters; credentials are not for hashing. */
const headerName = z
  .string()
  .max(64)
  .transform((name) => name.toLowerCase())
  .refine((name) => /^[a-z0-9][a-z0-9-]*$/.test(name), 'expected the name of a header')
  .refine(
    (name) => !['authorization', 'cookie', 'x-api-key', 'x-goog-api-key'].includes(name),
    'expected a header that is no credential; use {key: true}',
  )

/** What ConsistentHash looks at. */
const hashOn = strict({
  header: headerName.optional(),
  /** The client key's id. */
  key: z.literal(true).optional(),
  /** The member `user` of the body. */
  user: z.literal(true).optional(),
  /** The beginning of the prompt, as PrefixAware takes it. */
  prefix: z.literal(true).optional(),
}).refine(
  (all) => Object.values(all).filter((one) => one !== undefined).length === 1,
  'expected exactly one of header, key, user and prefix',
)
export type HashOn = Readonly<z.output<typeof hashOn>>

const timeouts = strict({
  connectMs: durationMs.default(5_000),
  firstByteMs: durationMs.default(120_000),
  idleMs: durationMs.default(60_000),
  totalMs: durationMs.default(300_000),
  streamTotalMs: durationMs.default(600_000),
})

/**
 * After what another attempt is made. A failure to connect sent nothing, so it cannot be billed
 * twice. The statuses are by most backends said of a request that was not run; an operator who
 * knows that of his lists them.
 */
const retryOn = z.union([
  z.literal('connect'),
  z.literal(429),
  z.literal(502),
  z.literal(503),
  z.literal(504),
])
export type RetryOn = z.output<typeof retryOn>

const retry = strict({
  maxRetries: z.int().min(0).max(10).default(2),
  on: z.array(retryOn).max(5).default(['connect']),
  /** Retries in per cent of requests, beside a small reserve. 0: none. */
  budgetPercent: z.int().min(0).max(100).default(20),
  /** Before an attempt at a backend that this request has asked already. */
  backoff: strict({
    baseMs: durationMs.default(100),
    maxMs: durationMs.default(2_000),
  }).prefault({}),
})

const percent = z.int().min(0).max(100)

/** When a backend is left alone for a time, and how it comes back (libs/routing breaker.ts). */
const breaker = strict({
  enabled: z.boolean().default(true),
  /** In a row, where no connection could be made. */
  connectFailures: z.int().min(1).max(1_000).default(3),
  /** In a row, of any kind: also a status 5xx, a timeout, an answer that broke off. */
  failures: z.int().min(1).max(1_000).default(5),
  /** Or this share of the requests within the window, if there were so many at least. */
  ratePercent: percent.min(1).default(50),
  requestsMin: z.int().min(1).max(100_000).default(20),
  windowMs: durationMs.default(10_000),
  /** How long it is left alone; twice as long each time that it fails again at once. */
  openMs: durationMs.default(5_000),
  openMsMax: durationMs.default(60_000),
  /** Requests at once that find out whether it is back. */
  probes: z.int().min(1).max(100).default(1),
  slowStartMs: durationMs.default(10_000),
  /** Of a route's targets, how many may be ejected for failures at a time. */
  ejectedPercentMax: percent.default(50),
  /** Below this share of a tier that is up, ejections for failures count for nothing. */
  panicPercent: percent.default(50),
})

/** How tokens are counted that a backend does not count by itself. */
const tokens = strict({
  /** Whether streams are asked for their usage where the client does not; `auto`: by kind. */
  ask: z.enum(['auto', 'always', 'never']).default('auto'),
  /** Whether what nobody counted is guessed, and marked as a guess. */
  estimate: z.boolean().default(true),
})

const answerBytesMax = z.int().min(1_024).max(16_777_216).default(1_048_576)

/** Answers that are kept and given again to who asks the same (docs/caching.md). */
const cache = strict({
  enabled: z.boolean().default(false),
  /** Seconds that an answer is kept. */
  ttl: durationS.default(60),
  /** A longer answer is not kept. */
  maxBytes: answerBytesMax,
  /** Whether streams are kept as well; they are given again piece by piece. */
  streams: z.boolean().default(true),
  /** Whether the fleet shares them, where SIGNALBOX_REDIS_URL says by what. */
  shared: z.boolean().default(true),
})

/** Identical plain requests of one key at the same time share one call of the backend. */
const deduplication = strict({
  enabled: z.boolean().default(false),
  /** Seconds that the answer may be given again, where `replay` says so. */
  ttl: durationS.default(60),
  replay: z.boolean().default(false),
  maxBytes: answerBytesMax,
})

/** A second attempt at another backend beside one that is late (libs/routing hedge.ts). */
const hedge = strict({
  enabled: z.boolean().default(false),
  /** When it is late. Where absent: after what 95 of 100 requests of the route take to begin. */
  afterMs: durationMs.optional(),
  /** Second attempts in per cent of requests. */
  budgetPercent: z.int().min(1).max(100).default(5),
  /** Whether also what may leave something behind at a backend is asked for twice. */
  unsafe: z.boolean().default(false),
})

const PROMPTS_MAX = 100
const prompt = strict({
  text: z.string().min(1).max(32_768),
  /** Before or behind the client's own system prompt, or in its place. */
  mode: z.enum(['prepend', 'append', 'replace']).default('prepend'),
})
/** A system prompt that requests get on their way. */
export type Prompt = Readonly<z.output<typeof prompt>>

const fewPrompts = (all: object) => Object.keys(all).length <= PROMPTS_MAX
const FEW_PROMPTS = `expected at most ${PROMPTS_MAX}`

/** What chats are told beside what their clients say: all, then by model, then by backend. */
const prompts = strict({
  all: prompt.optional(),
  /** By the name that the client asks for. */
  models: z.record(modelName, prompt).refine(fewPrompts, FEW_PROMPTS).default({}),
  backends: z.record(resourceId, prompt).refine(fewPrompts, FEW_PROMPTS).default({}),
})

export const policySpec = strict({
  strategy: z.enum(STRATEGIES).default('RoundRobin'),
  fallbackStrategy: z.enum(FALLBACK_STRATEGIES).default('RoundRobin'),
  /** Where absent: the header x-session-id, else `user` of the body, else the key. */
  hashOn: hashOn.optional(),
  timeouts: timeouts.prefault({}),
  retry: retry.prefault({}),
  /** Whether a field that a backend's dialect cannot say is refused, or dropped and listed. */
  translation: z.enum(['strict', 'lenient']).default('strict'),
  breaker: breaker.prefault({}),
  tokens: tokens.prefault({}),
  cache: cache.prefault({}),
  deduplication: deduplication.prefault({}),
  hedge: hedge.prefault({}),
  /** How often a stream that has not begun gets a comment; where absent, never. */
  keepAliveMs: durationMs.optional(),
  prompts: prompts.prefault({}),
  /** Of each route that has this policy, in the whole fleet. */
  limits: limitsSpec.optional(),
  labels: labels.default({}),
}).refine((policy) => policy.hashOn === undefined || policy.strategy === 'ConsistentHash', {
  path: ['hashOn'],
  message: 'expected only beside the strategy ConsistentHash',
})

/** Named behaviour of the routes that refer to it. */
export type PolicySpec = Readonly<z.output<typeof policySpec>>

/** What the policy `default` says where nobody has written one. */
export const DEFAULT_POLICY_ID = 'default'
export const DEFAULT_POLICY: PolicySpec = policySpec.parse({})
