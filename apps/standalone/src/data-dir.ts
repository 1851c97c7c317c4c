import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '@signalbox/host'

/** Others may pass through it (the database runs under its own user) but not list it. */
const DIRECTORY_MODE = 0o711
const SECRET_MODE = 0o600
const SECRET_BYTES = 32
/** States of /proc/<pid>/stat: zombie, dead. */
const DEAD = new Set(['Z', 'X'])
/** The 22nd field, counted behind the third. */
const START_TIME = 18

/** The directory that holds all there is, made where it is missing. */
export function openDataDir(path: string): string {
  try {
    mkdirSync(path, { recursive: true })
    chmodSync(path, DIRECTORY_MODE)
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code
    throw new ConfigError(
      `the data directory ${path} cannot be used (${cause}); name another with --data`,
    )
  }
  return path
}

/** A secret that is made on the first start and found again on every later one. */
export function keepSecret(
  dataDir: string,
  name: string,
  encoding: 'base64' | 'base64url',
): string {
  const path = join(dataDir, name)
  if (!existsSync(path)) {
    const secret = randomBytes(SECRET_BYTES).toString(encoding)
    writeFileSync(path, `${secret}\n`, { mode: SECRET_MODE, flag: 'wx' })
  }
  return readFileSync(path, 'utf8').trim()
}

/** What somebody has put there; undefined where nobody has. */
export function readKept(dataDir: string, name: string): string | undefined {
  const path = join(dataDir, name)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/**
 * Keeps a second start off the same data. A lock that a killed process left behind is taken over.
 */
export function lockDataDir(dataDir: string): () => void {
  const path = join(dataDir, 'lock')
  const owner = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  if (owner !== '' && owner === identityOf(Number(owner.split(' ')[0]))) {
    const pid = owner.split(' ')[0]
    throw new ConfigError(
      `${dataDir} is in use by process ${pid}; stop it, or name another with --data`,
    )
  }
  writeFileSync(path, `${identityOf(process.pid)}\n`, { mode: SECRET_MODE })
  return () => rmSync(path, { force: true })
}

/**
 * A process id together with its start time, so that a recycled id is not taken for the old owner.
 * Fields 3 and 22 of /proc/<pid>/stat (proc(5)); where there is no /proc the id alone has to do.
 */
function identityOf(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  const stat = `/proc/${pid}/stat`
  if (existsSync(stat)) {
    const [state = '', ...rest] = (readFileSync(stat, 'utf8').split(') ')[1] ?? '').split(' ')
    // Killed, and not yet reaped by whoever started it: it holds nothing any more.
    if (DEAD.has(state)) return undefined
    return `${pid} ${rest[START_TIME] ?? ''}`
  }
  if (existsSync('/proc/self/stat')) return undefined
  return isAlive(pid) ? `${pid}` : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
