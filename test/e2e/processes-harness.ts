// Real processes for tests: the bundles of dist/, each with its own environment. All that were
// started are ended by endProcesses(), by their ids, however the test went.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { eventually } from '@signalbox/testing'

export const root = join(import.meta.dirname, '../..')
/** A first start makes a database; a machine may be busy. */
const UP_MS = 180_000
/** More than any drain in these tests takes. */
const END_MS = 60_000

export type App = 'admin-api' | 'health-probe' | 'proxy' | 'standalone'

export interface Started {
  readonly child: ChildProcess
  /** All that it wrote, and of that what went to stderr. */
  readonly output: () => string
  readonly errors: () => string
  /** The exit code; null where a signal ended it. All output is there by then. */
  readonly exited: Promise<number | null>
}

export interface StartOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Its program, where that is not the bundle in dist/. */
  readonly main?: string
  /** An IPC channel to it: a proxy's bus is there where it has no NATS. */
  readonly ipc?: boolean
}

const started = new Set<Started>()

/** Starts a bundle with nothing of this machine's own configuration in its environment. */
export function startProcess(app: App, options: StartOptions = {}): Started {
  const { args = [], env = {}, ipc = false, main = join(root, 'dist', app, 'main.js') } = options
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    // A process group, as a shell makes one for a command.
    detached: true,
    env: { ...neutralEnv(), ...env },
  })
  let output = ''
  let errors = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (output += part))
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    output += part
    errors += part
  })
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  const one: Started = { child, output: () => output, errors: () => errors, exited }
  started.add(one)
  void exited.then(() => started.delete(one))
  return one
}

function neutralEnv(): NodeJS.ProcessEnv {
  const foreign = /^SIGNALBOX_|^(OPENAI|ANTHROPIC|GEMINI)_API_KEY$|^NODE_OPTIONS$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

export function isRunning({ child }: Started): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** Waits for what says that the process is up; rejects at once with what it wrote if it ends. */
export async function untilUp(
  one: Started,
  check: () => boolean | Promise<boolean>,
): Promise<Started> {
  const ended = one.exited.then((code) => {
    throw new Error(`ended with ${code}: ${one.output()}`)
  })
  ended.catch(() => {})
  await Promise.race([eventually(check, { timeoutMs: UP_MS }), ended])
  return one
}

/** Sends a signal and waits for the end. Answers the exit code; null where the signal ended it. */
export function end(one: Started, signal: NodeJS.Signals): Promise<number | null> {
  if (isRunning(one)) one.child.kill(signal)
  return one.exited
}

/** For afterEach: drains all that still run; one that does not end in time is killed. */
export async function endProcesses(): Promise<void> {
  await Promise.all(
    [...started].map(async (one) => {
      const timer = setTimeout(() => one.child.kill('SIGKILL'), END_MS)
      await end(one, 'SIGTERM')
      clearTimeout(timer)
    }),
  )
}
