import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@signalbox/testing'
import { lockDataDir } from './data-dir.ts'

let folder: string
let parent: ChildProcess | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-lock-'))
})
afterEach(() => {
  parent?.kill('SIGKILL')
  parent = undefined
  rmSync(folder, { recursive: true })
})

const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? ''

/** The identity that a process of this id would have written. */
const identityOf = (pid: number) => `${pid} ${stateOf(pid).split(' ')[19]}`

describe('the lock of a data directory', () => {
  it('keeps a second start off, and goes with the first', () => {
    const release = lockDataDir(folder)
    expect(() => lockDataDir(folder)).toThrow(`in use by process ${process.pid}`)
    release()
    lockDataDir(folder)()
  })

  it('is taken over from a process that is gone, or whose id is another one now', () => {
    for (const owner of ['4194303 1', `${process.pid} 1`, 'nonsense', '']) {
      writeFileSync(join(folder, 'lock'), owner)
      expect(lockDataDir(folder)).not.toThrow()
    }
  })

  const itOnLinux = existsSync('/proc/self/stat') ? it : it.skip
  itOnLinux('is taken over from one that was killed and is not reaped yet', async () => {
    parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'])
    const pid = await new Promise<number>((resolve) => {
      parent?.stdout?.once('data', (text: Buffer) => resolve(Number(text.toString())))
    })
    writeFileSync(join(folder, 'lock'), identityOf(pid))
    expect(() => lockDataDir(folder)).toThrow(`in use by process ${pid}`)
    process.kill(pid, 'SIGKILL')
    await eventually(() => stateOf(pid).startsWith('Z'))
    lockDataDir(folder)()
  })
})
