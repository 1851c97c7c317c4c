import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ConfigError } from '@signalbox/host'
import { may, type RunAs } from './binaries.ts'

const PERSISTENT_ROOT = '/var/lib'
const SECRET_MODE = 0o600
const STOP_POLL_MS = 50
const STOP_WAIT_MS = 10_000
const POINTER = 'LOCATION'

/**
 * Where the cluster lies: the directory asked for, or, where `user` cannot reach it (below /root,
 * say), a directory of /var/lib that is named after it. A pointer file says so to people.
 */
export function clusterFolder(wanted: string, user: RunAs): string {
  mkdirSync(wanted, { recursive: true })
  own(wanted, user)
  if (may(user, '-w', wanted)) return wanted
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 16)
  const folder = join(PERSISTENT_ROOT, `signalbox-${name}`)
  mkdirSync(folder, { recursive: true })
  own(folder, user)
  if (!may(user, '-w', folder)) {
    throw new ConfigError(
      `user ${user.uid} can use neither ${wanted} nor ${folder}; name another with --data`,
    )
  }
  writeFileSync(join(wanted, POINTER), `${folder}\n`)
  return folder
}

function own(path: string, { uid, gid }: RunAs): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}

/** Runs initdb unless there is a cluster. A half-made one (no PG_VERSION) is made again. */
export function initCluster(
  folder: string,
  { bin, user, password, sync }: { bin: string; user: RunAs; password: string; sync: boolean },
): void {
  if (existsSync(join(folder, 'PG_VERSION'))) return
  const secretFolder = mkdtempSync(join(tmpdir(), 'signalbox-initdb-'))
  own(secretFolder, user)
  const passwordFile = join(secretFolder, 'password')
  writeFileSync(passwordFile, `${password}\n`, { mode: SECRET_MODE })
  own(passwordFile, user)
  try {
    const options = ['-U', 'signalbox', '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C']
    const args = [
      '-D',
      folder,
      ...options,
      `--pwfile=${passwordFile}`,
      ...(sync ? [] : ['--no-sync']),
    ]
    const done = spawnSync(join(bin, 'initdb'), args, { ...user, encoding: 'utf8', cwd: '/' })
    if (done.status !== 0) {
      throw new ConfigError(`the database cannot be made in ${folder}: ${lastLine(done.stderr)}`)
    }
  } finally {
    rmSync(secretFolder, { recursive: true, force: true })
  }
}

export function lastLine(text: string | null | undefined): string {
  return (text ?? '').trim().split('\n').at(-1) ?? ''
}

/**
 * After a kill -9 of everything but Postgres its server still runs on the cluster, and after one of
 * everything a stale postmaster.pid is left. Ours is asked to stop; a stale file is Postgres'
 * matter
 * unless the id now belongs to somebody else, which would stop the start: then it is removed.
 */
export async function stopOrphan(folder: string): Promise<void> {
  const path = join(folder, 'postmaster.pid')
  if (!existsSync(path)) return
  const [line = '', dataLine = ''] = readFileSync(path, 'utf8').split('\n')
  const pid = Number(line)
  if (!Number.isInteger(pid) || pid <= 1 || !isPostgres(pid) || dataLine.trim() !== folder) {
    rmSync(path, { force: true })
    return
  }
  process.kill(pid, 'SIGINT')
  if (await gone(pid)) return
  process.kill(pid, 'SIGQUIT')
  if (!(await gone(pid))) throw new ConfigError(`an old database process (${pid}) does not stop`)
}

function isPostgres(pid: number): boolean {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('postgres')
  } catch {
    if (existsSync('/proc/self')) return false
    return spawnSync('ps', ['-o', 'comm=', '-p', String(pid)], {
      encoding: 'utf8',
    }).stdout.includes('postgres')
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let waited = 0; waited < STOP_WAIT_MS; waited += STOP_POLL_MS) {
    if (!isPostgres(pid)) return true
    await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS))
  }
  return false
}
