import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const MAIN = join(import.meta.dirname, 'mock-backend-main.ts')
const children: ChildProcess[] = []

function spawned(env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [MAIN], { env, stdio: 'pipe' })
  children.push(child)
  return child
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the child has no output')
  const [line] = await once(createInterface(child.stdout), 'line')
  return line
}

async function portOf(child: ChildProcess): Promise<number> {
  const { port } = JSON.parse(await firstLine(child))
  return port
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

describe('the process of the simulated backend', () => {
  it('prints its port, serves the demo models, and ends with its parent’s pipe', async () => {
    const child = spawned()
    const port = await portOf(child)
    const list = await fetch(`http://127.0.0.1:${port}/v1/models`)
    expect(JSON.stringify(await list.json())).toMatch(/demo-small.*demo-large/)
    const exited = once(child, 'exit')
    child.stdin?.end()
    expect(await exited).toEqual([0, null])
  })

  it('ends with its parent’s channel', async () => {
    const child = fork(MAIN, { env: {}, execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    children.push(child)
    await portOf(child)
    const exited = once(child, 'exit')
    child.disconnect()
    expect(await exited).toEqual([0, null])
  })

  it('ends on SIGTERM', async () => {
    const child = spawned()
    await portOf(child)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })

  it('refuses to start on what is no port, in one line', async () => {
    const child = spawned({ SIGNALBOX_MOCK_PORT: 'http' })
    let problem = ''
    child.stderr?.on('data', (chunk: Buffer) => (problem += chunk.toString()))
    const [code] = await once(child, 'close')
    expect(code).toBe(78)
    expect(problem).toMatch(/^signalbox: SIGNALBOX_MOCK_PORT is "http"; expected a port, .*\n$/)
  })
})
