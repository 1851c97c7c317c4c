import * as z from 'zod'
import { resourceId, strict } from './fields.ts'
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
})
/** What holds for the whole fleet. */
export type SettingsSpec = Readonly<z.output<typeof settingsSpec>>
export const DEFAULT_SETTINGS: SettingsSpec = settingsSpec.parse({})
