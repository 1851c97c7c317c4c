import { readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { failed } from './failure.ts'

const LOCK_FILE = '.lock'

/**
 * Does something to a folder as the only one. What another process has locked is refused with its
 * name; one of this machine that has ended without a word is passed over.
 */
export async function alone<Value>(dir: string, work: () => Promise<Value>): Promise<Value> {
  const path = join(dir, LOCK_FILE)
  await lock(path)
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function lock(path: string): Promise<void> {
  const me = `${process.pid} ${hostname()}\n`
  try {
    return await writeFile(path, me, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const [pid = '', host = ''] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ')
  if (host !== hostname() || isAlive(Number(pid))) {
    const who = host === '' ? 'somebody' : `process ${pid} of ${host}`
    throw failed(`${who} writes there: wait, or remove ${path} where nobody does`)
  }
  await rm(path, { force: true })
  await writeFile(path, me, { flag: 'wx' })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
