import { connectNats, NATS_URL, readNatsOptions } from '@signalbox/bus'
import {
  ConfigError,
  createMetrics,
  registerProcessMetrics,
  runMain,
  systemClock,
} from '@signalbox/host'
import { openStore } from '@signalbox/store'
import { adminLog, readAdminConfig, requireDatabaseUrl } from './config.ts'
import { prepareDatabase } from './prepare-database.ts'
import { startAdminApi } from './start.ts'

await runMain(async () => {
  const { env } = process
  const config = readAdminConfig(env)
  const url = requireDatabaseUrl(env)
  const nats = readNatsOptions(env)
  if (!nats) throw new ConfigError(`${NATS_URL.name} is not set; expected ${NATS_URL.shape}`)
  const log = adminLog(env)
  const shared = { clock: systemClock, random: Math.random, log }
  await prepareDatabase(url)
  const store = await openStore({ url, fleet: config.fleet, ...shared })
  const bus = await connectNats({ ...nats, fleet: config.fleet, ...shared })
  const metrics = createMetrics()
  registerProcessMetrics(metrics)
  const api = await startAdminApi(config, { store, bus, metrics, ...shared })
  return {
    stop: async () => {
      await api.stop()
      await bus.close()
      await store.close()
    },
  }
})
