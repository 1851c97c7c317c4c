import {
  connectNats,
  NATS_URL,
  noBus,
  readNatsOptions,
  readSnapshotFolder,
  SNAPSHOT_DIR,
} from '@signalbox/bus'
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
  const folder = readSnapshotFolder(env)
  if (!nats && !folder) {
    const other = `or ${SNAPSHOT_DIR.name}, without a network`
    throw new ConfigError(`${NATS_URL.name} is not set; expected ${NATS_URL.shape}, ${other}`)
  }
  const log = probeLog(env)
  const metrics = createMetrics()
  registerProcessMetrics(metrics)
  const shared = { clock: systemClock, random: Math.random, log }
  const bus = nats
    ? await connectNats({ ...nats, fleet: config.fleet, ...shared })
    : noBus(systemClock)
  const probe = await startHealthProbe(config, { bus, folder, metrics, ...shared })
  return {
    stop: async () => {
      await probe.stop()
      await bus.close()
    },
  }
})
