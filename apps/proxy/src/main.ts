import { connectBridge, connectNats, ipcPort, NATS_URL, readNatsOptions } from '@signalbox/bus'
import {
  ConfigError,
  createMetrics,
  registerProcessMetrics,
  runMain,
  systemClock,
} from '@signalbox/host'
import { proxyLog, readProxyConfig } from './config.ts'
import { startProxy } from './start.ts'

const forked = process.send !== undefined

await runMain(
  async () => {
    const { env } = process
    const config = readProxyConfig(env)
    const log = proxyLog(env)
    const shared = { clock: systemClock, random: Math.random, log }
    const nats = readNatsOptions(env)
    if (!nats && !forked)
      throw new ConfigError(`${NATS_URL.name} is not set; expected ${NATS_URL.shape}`)
    const bus = nats
      ? await connectNats({ ...nats, fleet: config.fleet, ...shared })
      : connectBridge(ipcPort(process))
    const metrics = createMetrics()
    registerProcessMetrics(metrics)
    const proxy = await startProxy(config, { bus, metrics, ...shared })
    return {
      stop: async () => {
        await proxy.stop()
        await bus.close()
      },
    }
  },
  { stopWithParent: forked },
)
