import * as z from 'zod'
import { durationMs, labels, modelName, resourceId, strict, weight } from './fields.ts'
import { limitsSpec } from './limits.ts'
import { priceSpec } from './price.ts'

export const KINDS = [
  'openai',
  'azure-openai',
  'anthropic',
  'gemini',
  'vllm',
  'ollama',
  'ollama-native',
  'llamacpp',
  'lmstudio',
  'localai',
  'tgi',
  'openai-compatible',
  'signalbox',
] as const
/** What a backend is. Which dialect a kind speaks is declared in libs/dialects. */
export type Kind = (typeof KINDS)[number]

const baseUrl = z
  .string()
  .max(2048)
  .superRefine((text, context) => {
    const problem = urlProblem(text)
    if (problem) context.addIssue({ code: 'custom', message: problem })
  })

function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'expected an absolute URL such as http://127.0.0.1:11434'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'expected http:// or https://'
  if (url.username || url.password) return 'expected no credentials in the URL; use apiKey'
  if (url.search || url.hash) return 'expected no query and no fragment'
  return undefined
}

/**
 * A backend's credential as it is stored: sealed (AES-256-GCM, base64), never in clear.
 * `fingerprint` is a keyed hash that lets people recognise a credential without seeing it.
 */
export const sealedCredential = strict({
  sealed: z.string().min(1).max(8192),
  fingerprint: z.string().min(1).max(64),
})
export type SealedCredential = Readonly<z.output<typeof sealedCredential>>

/** The name of a resource `secret`. */
const secretReference = strict({ secret: resourceId })
export type Credential = SealedCredential | Readonly<z.output<typeof secretReference>>

/** The secret that a backend refers to, where it does. */
export function secretOf({ credential }: Pick<BackendSpec, 'credential'>): string | undefined {
  return credential && 'secret' in credential ? credential.secret : undefined
}

/** The credential that a backend holds itself, where it does. */
export function sealedOf({
  credential,
}: Pick<BackendSpec, 'credential'>): SealedCredential | undefined {
  return credential && 'sealed' in credential ? credential : undefined
}

const limits = strict({
  connections: z.int().min(1).max(10_000).default(500),
  /** Of them, how many are kept that nobody has used for a second; others are closed. */
  idleConnections: z.int().min(0).max(10_000).default(100),
  pending: z.int().min(0).max(100_000).default(1000),
  concurrency: z.int().min(1).max(100_000).optional(),
  /** Of the whole fleet, unlike the others: a backend over them is passed by. */
  rpm: limitsSpec.shape.rpm,
  tpm: limitsSpec.shape.tpm,
})

/** Where a timeout of the policy is too long or too short for one backend. */
const timeouts = strict({
  connectMs: durationMs.optional(),
  firstByteMs: durationMs.optional(),
  idleMs: durationMs.optional(),
  /** How long a connection is kept for the next request; where absent, KEEP_ALIVE_MS of h1. */
  idleConnectionMs: durationMs.optional(),
})

const health = strict({
  enabled: z.boolean().default(true),
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'expected a path that starts with /')
    .max(512)
    .optional(),
  intervalMs: durationMs.default(30_000),
  timeoutMs: durationMs.default(5_000),
  unhealthyThreshold: z.int().min(1).max(100).default(3),
  healthyThreshold: z.int().min(1).max(100).default(2),
})

const tls = strict({
  verify: z.boolean().default(true),
  caPem: z.string().max(65_536).optional(),
  serverName: z.string().max(253).optional(),
})

export const backendSpec = strict({
  kind: z.enum(KINDS),
  url: baseUrl,
  models: z.union([z.literal('discover'), z.array(modelName).max(10_000)]).default('discover'),
  weight: weight.default(1),
  enabled: z.boolean().default(true),
  labels: labels.default({}),
  credential: z.union([sealedCredential, secretReference]).optional(),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  health: health.prefault({}),
  http2: z.enum(['auto', 'never']).default('auto'),
  tls: tls.prefault({}),
  /** Of all its models; where absent, the vendors' lists are asked (prices.ts). */
  price: priceSpec.optional(),
  /** Whether each proxy connects to it before the first request does, by a call that is free. */
  prewarm: z.boolean().default(true),
})

/** One upstream base URL with its kind, models, weight and credential. */
export type BackendSpec = Readonly<z.output<typeof backendSpec>>
