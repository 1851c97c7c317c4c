import * as z from 'zod'
import { budgetSpec } from './budget.ts'
import { labels, modelName, resourceId, strict } from './fields.ts'
import { limitsSpec } from './limits.ts'
import { ROLES } from './role.ts'

/** RFC 3339 in UTC, as the log has it. */
const WRONG_TIME = 'expected a time in UTC such as 2027-01-31T00:00:00Z'
const time = z.iso
  .datetime({ error: WRONG_TIME })
  .regex(/T\d\d:\d\d:\d\d(\.\d{1,9})?Z$/, WRONG_TIME)

/** SHA-256 of a token, lower-case hex. Tokens are 256 random bits, so that a hash tells nothing. */
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hex')

/** What everybody has who shows a token. The hashes are written by the control plane alone. */
const identity = {
  enabled: z.boolean().default(true),
  labels: labels.default({}),
  expiresAt: time.optional(),
  hash: digest,
  /** The token before a rotation, which is good until then. */
  previous: strict({ hash: digest, until: time }).optional(),
}

const metadata = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((all) => Object.keys(all).length <= 64, 'expected at most 64 members')

export const keySpec = strict({
  name: z.string().max(200).optional(),
  owner: z.string().max(200).optional(),
  /** Routes that may be asked for, by any of their names; `*`: all. */
  routes: z
    .array(z.union([z.literal('*'), modelName]))
    .min(1)
    .max(1000)
    .default(['*']),
  metadata: metadata.default({}),
  /** Of all requests that show it, in the whole fleet. */
  limits: limitsSpec.optional(),
  /** Of what its requests cost. */
  budget: budgetSpec.optional(),
  ...identity,
})
/** A client's credential on the data plane. */
export type KeySpec = Readonly<z.output<typeof keySpec>>

/** The actors of the environment's tokens are named after their roles: nobody else may be. */
export const principalId = resourceId.refine(
  (id) => !(ROLES as readonly string[]).includes(id),
  `expected none of ${ROLES.join(', ')}, which are the environment's own`,
)
export const principalSpec = strict({
  role: z.enum(ROLES),
  name: z.string().max(200).optional(),
  ...identity,
})
/** Who may call the admin API, beside the tokens of the environment. */
export type PrincipalSpec = Readonly<z.output<typeof principalSpec>>

/** How much of a hash people see, to recognise a token by. */
export const FINGERPRINT_LENGTH = 12

export function fingerprintOf(hash: string): string {
  return hash.slice(0, FINGERPRINT_LENGTH)
}
