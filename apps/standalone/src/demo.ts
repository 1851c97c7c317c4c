import { fork } from 'node:child_process'
import { join } from 'node:path'
import { type Registration } from './register.ts'

const BUNDLE = 'mock-backend.js'
/** A port of its own, so that the backend has the same address on every start; else a free one. */
const DEMO_PORT = 8089

/** The simulated backend, as a process of its own. It says in every answer that it is simulated. */
export async function startDemoBackend(): Promise<{
  backend: Registration
  stop(): Promise<void>
}> {
  return (await startOn(DEMO_PORT)) ?? (await startOn(0)) ?? fail()
}

function fail(): never {
  throw new Error('the simulated backend does not start')
}

async function startOn(port: number) {
  const child = fork(join(import.meta.dirname, BUNDLE), [], {
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
    // Its own process group: a terminal's Ctrl-C must not end it before the proxies have drained.
    detached: true,
    env: { ...process.env, SIGNALBOX_MOCK_PORT: String(port) },
  })
  const exited = new Promise<null>((resolve) => child.once('exit', () => resolve(null)))
  const said = new Promise<number>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const line = /\{"port":(\d+)\}/.exec(text)
      if (line) resolve(Number(line[1]))
    })
  })
  const taken = await Promise.race([said, exited])
  if (taken === null) return undefined
  const url = `http://127.0.0.1:${taken}`
  const spec = { kind: 'openai-compatible', url, labels: { simulated: 'true' } } as const
  return {
    backend: { id: 'demo', ...spec },
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}
