import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Postgres refuses to run as root; 65534 is `nobody` on Linux. */
const NOBODY = { uid: 65_534, gid: 65_534 } as const
const ROOT_UID = 0

/** The user that the server runs as; empty: the one that we are. */
export type RunAs = { readonly uid: number; readonly gid: number } | Record<string, never>

/**
 * Where we are root: whoever owns the cluster already (it may have been made without root before),
 * else `nobody`. Otherwise the user that we are.
 */
export function runAs(folder: string): RunAs {
  if (process.getuid?.() !== ROOT_UID) return {}
  const made = join(folder, 'PG_VERSION')
  if (!existsSync(made)) return NOBODY
  const { uid, gid } = statSync(made)
  return uid === ROOT_UID ? NOBODY : { uid, gid }
}

/** Whether that user may pass through every directory above `path`, and through or into it. */
export function reaches({ uid, gid }: RunAs, path: string): boolean {
  if (uid === undefined) return true
  const { mode, uid: owner, gid: group } = statSync(path)
  const executable = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001
  if ((mode & executable) === 0) return false
  const above = dirname(path)
  return above === path || reaches({ uid, gid }, above)
}
