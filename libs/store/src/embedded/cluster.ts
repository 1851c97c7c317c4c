import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigError } from '@signalbox/host'
import { SYSTEM_STATE } from './binaries.ts'
import { reaches, runAs, type RunAs } from './run-as.ts'
import { reasonIn } from './server-log.ts'

const PRIVATE_DIRECTORY_MODE = 0o700
const SECRET_MODE = 0o600
const POINTER = 'LOCATION'
const NAME_DIGITS = 16

export interface Place {
  readonly folder: string
  readonly user: RunAs
}

/**
 * Where the cluster lies, and whose it is: the directory asked for (an absolute path), or, where
 * the server's user cannot get there (below /root, say), a directory of /var/lib that is named
 * after it. Not one of /tmp: the data must outlive a reboot. A pointer file tells people.
 */
export function placeCluster(wanted: string): Place {
  mkdirSync(wanted, { recursive: true })
  const user = runAs(wanted)
  if (reaches(user, dirname(wanted))) return { folder: own(wanted, user), user }
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, NAME_DIGITS)
  const folder = join(SYSTEM_STATE, `signalbox-${name}`)
  mkdirSync(folder, { recursive: true, mode: PRIVATE_DIRECTORY_MODE })
  const other = runAs(folder)
  if (!reaches(other, dirname(folder))) {
    const both = `neither ${wanted} nor ${folder}`
    throw new ConfigError(`the database's user (${other.uid}) can reach ${both}; name another`)
  }
  writeFileSync(join(wanted, POINTER), `${folder}\n`)
  return { folder: own(folder, other), user: other }
}

function own(path: string, { uid, gid }: RunAs): string {
  if (uid !== undefined) chownSync(path, uid, gid)
  return path
}

export interface InitOptions extends Place {
  readonly initdb: string
  readonly password: string
  /** Whether the new files must survive a power cut. */
  readonly sync: boolean
}

/**
 * Makes the cluster unless there is one: beside its place, and moved there when it is whole, so
 * that a start which was killed half-way is simply begun anew.
 */
export async function initCluster(options: InitOptions): Promise<void> {
  const { folder, user, sync } = options
  if (existsSync(join(folder, 'PG_VERSION'))) return
  const making = `${folder}.new`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { mode: PRIVATE_DIRECTORY_MODE })
  own(making, user)
  await runInitdb(making, options)
  try {
    renameSync(making, folder)
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code
    throw new ConfigError(`${folder} holds something that is no database (${cause}); empty it`)
  }
  if (sync) syncDirectory(dirname(folder))
}

async function runInitdb(
  folder: string,
  { initdb, user, password, sync }: InitOptions,
): Promise<void> {
  const secrets = own(mkdtempSync(join(tmpdir(), `signalbox-initdb-${process.pid}-`)), user)
  const passwordFile = join(secrets, 'password')
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: SECRET_MODE })
    own(passwordFile, user)
    const problem = await run(initdb, {
      user,
      args: [
        ...['--pgdata', folder, '--username', 'signalbox', '--pwfile', passwordFile],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C'],
        ...(sync ? [] : ['--no-sync']),
      ],
    })
    if (problem) throw new ConfigError(`the database cannot be made in ${folder}: ${problem}`)
  } finally {
    rmSync(secrets, { recursive: true, force: true })
  }
}

/** Null, or why it failed. */
function run(
  file: string,
  { user, args }: { user: RunAs; args: readonly string[] },
): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { ...user, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code) => resolve(code === 0 ? null : reasonIn(errors)))
  })
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  fsyncSync(directory)
  closeSync(directory)
}
