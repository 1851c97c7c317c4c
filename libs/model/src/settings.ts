import * as z from 'zod'
import { strict } from './fields.ts'

/** The one id that there is. */
export const SETTINGS_ID = 'default'
export const settingsId = z.literal(SETTINGS_ID, { error: `expected ${SETTINGS_ID}` })

export const settingsSpec = strict({
  /** `blocking`: a request without a good key is refused. `permissive`: only a bad one is. */
  clientAuth: z.enum(['permissive', 'blocking']).default('permissive'),
})
/** What holds for the whole fleet. */
export type SettingsSpec = Readonly<z.output<typeof settingsSpec>>
export const DEFAULT_SETTINGS: SettingsSpec = settingsSpec.parse({})
