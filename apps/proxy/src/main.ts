import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import {
  type Bus,
  connectBridge,
  connectNats,
  ipcPort,
  NATS_URL,
  noBus,
  readNatsOptions,
  readSnapshotFolder,
  SNAPSHOT_DIR,
} from '@signalbox/bus'
import {
  ConfigError,
  createMetrics,
  type Env,
  readWorkers,
  registerProcessMetrics,
  type Running,
  runMain,
  systemClock,
} from '@signalbox/host'
import { proxyLog, readProxyConfig } from './config.ts'
import { startProxy } from './start.ts'
import { startWorkers } from './workers/parent.ts'
import { runWorker } from './workers/worker.ts'

const WORKER = 'worker'
const ARGUMENTS_FROM = 2
const { env, argv } = process
const forked = process.send !== undefined

if (argv[ARGUMENTS_FROM] === WORKER && forked) await startWorker(env)
else await runMain(() => start(env), { stopWithParent: forked })

async function start(env: Env): Promise<Running> {
  const config = readProxyConfig(env)
  const workers = readWorkers(env, availableParallelism())
  const log = proxyLog(env)
  const shared = { clock: systemClock, random: Math.random, log }
  const folder = readSnapshotFolder(env)
  const bus = await openBus(folder !== undefined)
  const metrics = createMetrics()
  registerProcessMetrics(metrics)
  const deps = { bus, folder, metrics, ...shared }
  const proxy = workers === 1 ? await startProxy(config, deps) : await startAll()
  return {
    stop: async () => {
      await proxy.stop()
      await bus.close()
    },
  }

  async function openBus(hasFolder: boolean): Promise<Bus> {
    const nats = readNatsOptions(env)
    if (nats) return connectNats({ ...nats, fleet: config.fleet, ...shared })
    if (forked) return connectBridge(ipcPort(process))
    if (hasFolder) return noBus(systemClock)
    const other = `or ${SNAPSHOT_DIR.name}, without a network`
    throw new ConfigError(`${NATS_URL.name} is not set; expected ${NATS_URL.shape}, ${other}`)
  }

  async function startAll(): Promise<Running> {
    const all = await startWorkers(config, deps, { workers, fork: () => forkWorker(config.id) })
    process.on('SIGHUP', () => void all.roll())
    process.on('exit', () => all.kill())
    return all
  }
}

async function startWorker(env: Env): Promise<void> {
  const metrics = createMetrics()
  registerProcessMetrics(metrics)
  const shared = { clock: systemClock, random: Math.random, log: proxyLog(env) }
  await runWorker(readProxyConfig(env), { metrics, ...shared })
}

function forkWorker(id: string) {
  return fork(argv[1] ?? '', [WORKER], {
    serialization: 'advanced',
    env: { ...env, SIGNALBOX_PROXY_ID: id },
  })
}
