import * as z from 'zod'
import { labels, resourceId, strict } from './fields.ts'

const ORIGINS_MAX = 32
const WRONG_ORIGIN = 'expected the origin of a backend, such as https://api.openai.com'

/** Scheme, host and port: what of a URL decides who is sent the secret. */
const origin = z.string().max(300).refine(isOrigin, WRONG_ORIGIN)

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

/** Paths of the API stand where these ids would. */
const PATHS = ['rewrap', 'status']
export const secretId = resourceId.refine(
  (id) => !PATHS.includes(id),
  `expected none of ${PATHS.join(', ')}, which are paths`,
)

export const secretSpec = strict({
  /** AES-256-GCM, base64; what people send is `value`, and it is never shown again. */
  sealed: z.string().min(1).max(8192),
  fingerprint: z.string().min(1).max(64),
  /** Where it may be sent. Left out: an admin says so, by letting a backend refer to it. */
  origins: z.array(origin).min(1).max(ORIGINS_MAX).optional(),
  description: z.string().max(1000).optional(),
  labels: labels.default({}),
})
/** A credential of backends that has a name of its own; backends refer to it. */
export type SecretSpec = Readonly<z.output<typeof secretSpec>>
