import { connectNats, NATS_URL, readNatsOptions } from '@signalbox/bus'
import {
  ConfigError,
  createMetrics,
  registerProcessMetrics,
  runMain,
  systemClock,
} from '@signalbox/host'
import { probeLog, readProbeConfig } from './config.ts'
import { startHealthProbe } from './start.ts'

await runMain(async () => {
  const { env } = process
  const config = readProbeConfig(env)
  const nats = readNatsOptions(env)
  if (!nats) throw new ConfigError(`${NATS_URL.name} is not set; expected ${NATS_URL.shape}`)
  const log = probeLog(env)
  const metrics = createMetrics()
  registerProcessMetrics(metrics)
  const shared = { clock: systemClock, random: Math.random, log }
  const bus = await connectNats({ ...nats, fleet: config.fleet, ...shared })
  const probe = await startHealthProbe(config, { bus, metrics, ...shared })
  return {
    stop: async () => {
      await probe.stop()
      await bus.close()
    },
  }
})
