import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ConfigError } from '@signalbox/host'

const POLL_MS = 20
const STOP_WAIT_MS = 10_000
/** Above every id that Linux (2^22) or macOS gives. */
const NO_PROCESS = 4_194_304

/**
 * A kill -9 of everything but Postgres leaves a server on the cluster: it is asked to stop. A kill
 * of the server, or of the machine, leaves postmaster.pid: Postgres copes with that by itself,
 * unless the id belongs to some other process by now. Then the id in the file is replaced by one of
 * nobody. The file stays: Postgres finds in it which shared memory no old backend may still use.
 */
export async function stopOrphan(folder: string): Promise<void> {
  const path = join(folder, 'postmaster.pid')
  if (!existsSync(path)) return
  const [first = '', dataDir = '', ...rest] = readFileSync(path, 'utf8').split('\n')
  // A standalone backend writes its id negated.
  const pid = Math.abs(Number(first))
  if (isServerOf(folder, { pid, dataDir })) await stop(pid)
  else if (isAlive(pid)) writeFileSync(path, [NO_PROCESS, dataDir, ...rest].join('\n'))
}

async function stop(pid: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!send(pid, signal) || (await isGone(pid))) return
  }
  throw new ConfigError(`an old database process (${pid}) does not stop; stop it`)
}

/** Whether this process is a Postgres on this folder: servers run in their data directory. */
function isServerOf(folder: string, { pid, dataDir }: { pid: number; dataDir: string }): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false
  if (!existsSync('/proc/self')) return dataDir === folder && commandOf(pid).includes('postgres')
  try {
    const [theirs, ours] = [statSync(`/proc/${pid}/cwd`), statSync(folder)]
    const program = basename(readlinkSync(`/proc/${pid}/exe`))
    return program.startsWith('postgres') && theirs.ino === ours.ino && theirs.dev === ours.dev
  } catch {
    return false
  }
}

function commandOf(pid: number): string {
  return spawnSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).stdout
}

async function isGone(pid: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < STOP_WAIT_MS; waitedMs += POLL_MS) {
    if (!isAlive(pid)) return true
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return false
}

function isAlive(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && send(pid, 0)
}

/** False: there is no such process (one of another user is there). */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
