import { type Check } from './doctor.ts'
import { type SealedStatus } from './secrets.ts'

/** Whether what is sealed is under the master key of now, so that no other is needed. */
export function checkKeys({ key, previousKeys, keys, missing, remaining }: SealedStatus): Check {
  const name = 'master key'
  if (missing.length > 0) {
    const lost = keys.filter(({ state }) => state === 'missing')
    const ids = lost.map((use) => use.key ?? 'unknown').join(', ')
    const detail = `sealed under a key that is not here (${ids}): ${missing.join(', ')}`
    const remedy = 'Add the key to SIGNALBOX_MASTER_KEY_PREVIOUS, or set these values again.'
    return { name, state: 'fail', detail, remedy }
  }
  if (remaining > 0) {
    const former = keys.filter((use) => use.state === 'previous' && use.secrets + use.backends > 0)
    const under = former.map((use) => use.key).join(', ')
    const detail =
      under === ''
        ? `${remaining} without a data key of their own`
        : `${remaining} still sealed under ${under}`
    return { name, state: 'warn', detail, remedy: 'Seal them anew: signalbox secrets rewrap.' }
  }
  if (previousKeys.length > 0) {
    const detail = `all is sealed under ${key}; ${previousKeys.join(', ')} can go`
    const remedy = 'Take SIGNALBOX_MASTER_KEY_PREVIOUS away from every process; docs/secrets.md.'
    return { name, state: 'warn', detail, remedy }
  }
  return { name, state: 'ok', detail: `all is sealed under ${key}` }
}
