import * as z from 'zod'
import { resourceId, strict } from './fields.ts'
import { limitsSpec } from './limits.ts'
import { networkSpec } from './network.ts'
import { DEFAULT_POLICY_ID } from './policy.ts'

/** The one id that there is. */
export const SETTINGS_ID = 'default'
export const settingsId = z.literal(SETTINGS_ID, { error: `expected ${SETTINGS_ID}` })

export const settingsSpec = strict({
  /** `blocking`: a request without a good key is refused. `permissive`: only a bad one is. */
  clientAuth: z.enum(['permissive', 'blocking']).default('permissive'),
  /** The policy of models that backends serve and no route names. */
  implicitPolicy: resourceId.default(DEFAULT_POLICY_ID),
  /** Largest request body. A proxy whose own limit (its environment's) is lower keeps that. */
  bodyBytesMax: z.int().min(1_024).max(1_073_741_824).optional(),
  /** How long it is kept who was refused by the admin API. */
  denialsKeptDays: z.int().min(1).max(3_650).default(90),
  /** Of all requests of the fleet. */
  limits: limitsSpec.optional(),
  /** Of the requests of each client address; IPv6 clients by their /64. */
  addressLimits: limitsSpec.optional(),
  /** Whose x-forwarded-for is believed: addresses and networks of load balancers. */
  trustedProxies: z
    .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
    .max(100)
    .optional(),
  /** Which addresses backends may have. */
  network: networkSpec.prefault({}),
})
/** What holds for the whole fleet. */
export type SettingsSpec = Readonly<z.output<typeof settingsSpec>>
export const DEFAULT_SETTINGS: SettingsSpec = settingsSpec.parse({})
