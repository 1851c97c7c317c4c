import { type ChildProcess, fork } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Hub, ipcPort, serveBridge } from '@signalbox/bus'
import {
  ConfigError,
  type Env,
  listen,
  LISTEN_SHAPE,
  type ListenAddress,
  type Log,
  parseListenList,
  readVariable,
  showListen,
  systemClock,
} from '@signalbox/host'
import { urlOf } from './url.ts'

export interface ProxyProcess {
  readonly addresses: readonly ListenAddress[]
}

export interface Proxies {
  readonly all: readonly ProxyProcess[]
  stop(): Promise<void>
}

export interface ProxiesOptions {
  readonly count: number
  readonly env: Env
  readonly dataDir: string
  /** Null: they find NATS in their environment. */
  readonly hub: Hub | null
  readonly log: Log
}

const LISTEN = {
  name: 'SIGNALBOX_PROXY_LISTEN',
  shape: `${LISTEN_SHAPE}, several by commas`,
  parse: parseListenList,
}
const DEFAULT_ADDRESS = { kind: 'tcp', host: '0.0.0.0', port: 8080 } as const
/** The second proxy listens ten above the first: 8081 and 8082 are taken. */
const PORT_STEP = 10
const RESTART_MS = 1_000
const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 25
const ANSWER_TIMEOUT_MS = 500
const BUNDLE = '../proxy/main.js'
/**
 * What lives of a proxy is small, and what a request leaves is dead at once: a large young
 * generation only costs memory (measured: 150 MB under load in place of 245 MB, 5 % more CPU).
 * Whoever starts a proxy says so: deploy/ does, too.
 */
const FLAGS = ['--max-semi-space-size=4']

/** Starts the proxies as processes of their own; one that dies is started again. */
export async function startProxies(options: ProxiesOptions): Promise<Proxies> {
  const listen = readVariable(options.env, LISTEN) ?? [DEFAULT_ADDRESS]
  const addresses = Array.from({ length: options.count }, (_, index) =>
    listen.map((address) => addressOf(address, index)),
  )
  for (const address of addresses.flat()) await mustBeFree(address)
  const supervised = addresses.map((all, index) =>
    supervise(options, { addresses: all, id: `proxy-${index + 1}` }),
  )
  try {
    await Promise.all(supervised.map((one) => one.started))
  } catch (error) {
    await Promise.all(supervised.map((one) => one.stop()))
    throw error
  }
  return {
    all: supervised,
    stop: async () => {
      await Promise.all(supervised.map((one) => one.stop()))
    },
  }
}

/** Before anything is started: another server there could pass for the proxy. */
async function mustBeFree(address: ListenAddress): Promise<void> {
  if (address.kind === 'unix') return
  const server = createServer()
  await listen(server, address, LISTEN.name)
  await new Promise((resolve) => server.close(resolve))
}

function addressOf(first: ListenAddress, index: number): ListenAddress {
  if (first.kind === 'unix')
    return index === 0 ? first : { ...first, path: `${first.path}.${index}` }
  return { ...first, port: first.port + index * PORT_STEP }
}

function supervise(
  { env, dataDir, hub, log }: ProxiesOptions,
  { addresses, id }: { addresses: readonly ListenAddress[]; id: string },
) {
  let stopping = false
  let child: ChildProcess
  let exited = Promise.resolve()
  let lastWords = ''

  const start = () => {
    child = fork(join(import.meta.dirname, BUNDLE), [], {
      execArgv: [...process.execArgv, ...FLAGS],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      // Its own process group: a terminal's Ctrl-C must not reach it before we say so.
      detached: true,
      env: {
        SIGNALBOX_LOG: 'warn',
        SIGNALBOX_DRAIN_NOTICE: '0s',
        ...env,
        SIGNALBOX_DATA_DIR: dataDir,
        SIGNALBOX_PROXY_ID: id,
        SIGNALBOX_PROXY_LISTEN: addresses.map(showListen).join(','),
      },
    })
    const bridge = hub ? serveBridge(hub, ipcPort(child)) : null
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastWords = text
      if (started) process.stderr.write(text)
    })
    exited = new Promise((resolve) =>
      child.once('exit', (code) => {
        bridge?.stop()
        resolve()
        if (stopping || !started) return
        log.error({ id, code }, 'a proxy ended and is started again')
        systemClock.after(RESTART_MS, () => {
          if (!stopping) start()
        })
      }),
    )
  }
  let started = false
  start()

  return {
    addresses,
    started: untilAlive(addresses[0] ?? DEFAULT_ADDRESS, () =>
      child.exitCode === null ? null : lastWords,
    ).then(() => {
      started = true
    }),
    stop: async () => {
      stopping = true
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await exited
    },
  }
}

/** Until the proxy answers /healthz. What it said when it ended instead is the error. */
async function untilAlive(address: ListenAddress, ended: () => string | null): Promise<void> {
  const endMs = systemClock.monotonicMs() + READY_TIMEOUT_MS
  while (systemClock.monotonicMs() < endMs) {
    const words = ended()
    if (words !== null)
      throw new ConfigError(words.split('\n')[0]?.replace(/^signalbox: /, '') ?? '')
    if (address.kind === 'unix' || (await answers(address))) return
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
  }
  throw new ConfigError(`the proxy on ${showListen(address)} does not answer`)
}

async function answers(address: ListenAddress): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  try {
    return (await fetch(`${urlOf(address)}/healthz`, { signal })).ok
  } catch {
    return false
  }
}
