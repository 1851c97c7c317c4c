import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { eventually } from '@signalbox/testing'

const HARNESS = join(import.meta.dirname, 'main-harness.ts')
const children: ChildProcess[] = []

interface Ran {
  readonly child: ChildProcess
  /** The words that it said, in order. */
  readonly said: string[]
  /** Resolves once it has said this. */
  says(word: string): Promise<unknown>
  /** Exit code, signal and what it wrote to stderr. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>
}

function run(...args: string[]): Ran {
  const stdio = ['ignore', 'inherit', 'pipe', 'ipc'] as ['ignore', 'inherit', 'pipe', 'ipc']
  const child = fork(HARNESS, args, { env: {}, execArgv: [], stdio })
  children.push(child)
  const said: string[] = []
  child.on('message', (word) => said.push(String(word)))
  // Not the event `close`: it does not come where the parent has ended the channel.
  const exited = once(child, 'exit')
  const written = child.stderr ? textOf(child.stderr) : ''
  const ended = Promise.all([exited, written]).then(([[code, signal], stderr]) => {
    return { code, signal, stderr }
  })
  const says = (word: string) => eventually(() => said.includes(word))
  return { child, said, says, ended }
}

const cleanly = { code: 0, signal: null, stderr: '' }

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

describe('runMain', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops on %s, once, and exits with 0', async (signal) => {
    const { child, said, says, ended } = run('plain')
    await says('started')
    child.kill(signal)
    expect(await ended).toEqual(cleanly)
    await says('stopping')
    expect(said).toEqual(['started', signal, 'stopping'])
  })

  it('finishes what it drains before it exits', async () => {
    const { child, says, ended } = run('slow-stop')
    await says('started')
    child.kill('SIGTERM')
    await says('stopping')
    child.send('go')
    expect(await ended).toEqual(cleanly)
  })

  it('takes a signal that comes twice in one second for one wish', async () => {
    const { child, said, says, ended } = run('slow-stop')
    await says('started')
    child.kill('SIGINT')
    await says('stopping')
    child.kill('SIGTERM')
    await says('SIGTERM')
    child.send('go')
    expect(await ended).toEqual(cleanly)
    expect(said.filter((word) => word === 'stopping')).toHaveLength(1)
  })

  it('ends at once, with 1, on a second signal after that', async () => {
    const { child, says, ended } = run('slow-stop')
    await says('started')
    child.kill('SIGTERM')
    await says('stopping')
    child.send('a second passes')
    await says('a second passed')
    child.kill('SIGTERM')
    expect(await ended).toEqual({ code: 1, signal: null, stderr: '' })
  })

  it('that is told to stop while it starts stops once it has started', async () => {
    const { child, said, says, ended } = run('slow-start')
    await says('starting')
    child.kill('SIGTERM')
    await says('SIGTERM')
    child.send('go')
    expect(await ended).toEqual(cleanly)
    await says('stopping')
    expect(said).toEqual(['starting', 'SIGTERM', 'started', 'stopping'])
  })

  it('can be ended while it starts, by a second signal', async () => {
    const { child, said, says, ended } = run('slow-start')
    await says('starting')
    child.kill('SIGTERM')
    await says('SIGTERM')
    child.send('a second passes')
    await says('a second passed')
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 1 })
    expect(said).not.toContain('started')
  })

  it('prints a configuration error as one line and exits with 78', async () => {
    expect(await run('config').ended).toEqual({
      code: 78,
      signal: null,
      stderr: 'signalbox: SIGNALBOX_X is "a"; expected b\n',
    })
  })

  it('prints any other error with its stack and exits with 1', async () => {
    const { code, stderr } = await run('bug').ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/^signalbox: it broke\nTypeError: it broke\n {4}at start /)
  })

  it('prints what is thrown and is no error', async () => {
    const { code, stderr } = await run('text').ended
    expect([code, stderr]).toEqual([1, 'signalbox: only text\n'])
  })

  it('exits with 1 where stopping fails, and says why', async () => {
    const { child, says, ended } = run('bad-stop')
    await says('started')
    child.kill('SIGTERM')
    const { code, stderr } = await ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/^signalbox: it does not stop\n/)
  })

  it('stops with its parent where it is to', async () => {
    const { child, says, ended } = run('plain', 'with-parent')
    await says('started')
    child.disconnect()
    expect(await ended).toEqual(cleanly)
  })

  it('outlives its parent’s channel where it is not to', async () => {
    const { child, says, ended } = run('plain')
    await says('started')
    const disconnected = once(child, 'disconnect')
    child.disconnect()
    await disconnected
    child.kill('SIGTERM')
    expect(await ended).toEqual(cleanly)
  })
})
