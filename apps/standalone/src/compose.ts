import { join, resolve } from 'node:path'
import {
  prepareDatabase,
  readAdminConfig,
  readDatabaseUrl,
  startAdminApi,
} from '@signalbox/admin-api'
import { type Bus, connectNats, createHub, type Hub, readNatsOptions } from '@signalbox/bus'
import { detectBackends, readProbeConfig, startHealthProbe } from '@signalbox/health-probe'
import {
  createLog,
  createMetrics,
  DEFAULT_DATA_DIR,
  type Env,
  type Log,
  readFleet,
  readLevels,
  readVariable,
  DATA_DIR_VARIABLE,
  registerProcessMetrics,
  type Running,
  systemClock,
} from '@signalbox/host'
import { openStore } from '@signalbox/store'
import { readConfigFile } from './config-file.ts'
import { keepDatabase } from './database.ts'
import { keepSecret, lockDataDir, openDataDir, readKept } from './data-dir.ts'
import { startDemoBackend } from './demo.ts'
import { type Flags } from './flags.ts'
import { type ProxyProcess, startProxies } from './proxies.ts'
import { applyConfigFile, registerBackends } from './register.ts'
import { greet } from './greeting.ts'

/** Backends that the greeting names. */
const GREETED_MAX = 20

/**
 * Starts everything in order of need, each part on its embedded default where nothing else is said.
 */
export async function compose(flags: Flags, given: Env): Promise<Running> {
  const startedMs = systemClock.monotonicMs()
  const dataDir = openDataDir(
    flags.dataDir ?? readVariable(given, DATA_DIR_VARIABLE) ?? DEFAULT_DATA_DIR,
  )
  const stops: (() => Promise<void> | void)[] = [lockDataDir(dataDir)]
  const stop = async () => {
    for (const end of stops.reverse()) await end()
  }
  try {
    await startParts({ flags, given, dataDir, startedMs, stops })
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

interface Parts {
  readonly flags: Flags
  readonly given: Env
  readonly dataDir: string
  readonly startedMs: number
  readonly stops: (() => Promise<void> | void)[]
}

async function startParts({ flags, given, dataDir, startedMs, stops }: Parts): Promise<void> {
  const file = flags.config === undefined ? undefined : readConfigFile(flags.config, given)
  const env = withSecrets({ ...file?.env, ...given }, dataDir)
  const config = { admin: readAdminConfig(env), probe: readProbeConfig(env) }
  const levels = readLevels(env, 'warn')
  const shared = { clock: systemClock, random: Math.random }
  const logs = { admin: createLog('admin', levels), probe: createLog('probe', levels) }

  const { bus, hub } = await startBus(env, shared)
  stops.push(() => bus.close())
  // Before the proxies, so that it ends after them: they drain what it still answers.
  const demo = flags.demo ? await startDemoBackend() : undefined
  if (demo) stops.push(() => demo.stop())
  const { proxies: count, workers } = flags
  const proxyEnv = workers === undefined ? env : { ...env, SIGNALBOX_WORKERS: workers }
  const proxies = await startProxies({ count, env: proxyEnv, dataDir, hub, log: logs.admin })
  stops.push(() => proxies.stop())

  const url = readDatabaseUrl(env) ?? (await embeddedDatabase(dataDir, stops, logs.admin))
  await prepareDatabase(url)
  const store = await openStore({ url, fleet: readFleet(env), clock: systemClock, log: logs.admin })
  stops.push(() => store.close())

  const metrics = { admin: createMetrics(), probe: createMetrics() }
  registerProcessMetrics(metrics.admin)
  const admin = await startAdminApi(config.admin, {
    store,
    bus,
    log: logs.admin,
    metrics: metrics.admin,
    ...shared,
  })
  stops.push(() => admin.stop())
  const probe = await startHealthProbe(config.probe, {
    bus,
    log: logs.probe,
    metrics: metrics.probe,
    ...shared,
  })
  stops.push(() => probe.stop())

  const first = (await store.head()).revision === 0
  const detected = first ? await detectBackends(env) : []
  const token = config.admin.tokens.admin ?? ''
  const registered = [...(demo ? [demo.backend] : []), ...detected]
  await registerBackends(registered, { address: admin.address, token })
  if (file) await applyConfigFile(file, { address: admin.address, token })
  greet({
    admin: admin.address,
    probe: probe.address,
    proxies: proxies.all.flatMap((one: ProxyProcess) => one.addresses),
    tokenFile: given['SIGNALBOX_ADMIN_TOKEN']
      ? 'SIGNALBOX_ADMIN_TOKEN'
      : join(dataDir, 'admin-token'),
    dataDir: join(dataDir),
    file: file ?? null,
    backends: (await store.page('backend', { limit: GREETED_MAX }))?.items ?? [],
    demo: demo !== undefined,
    elapsedMs: systemClock.monotonicMs() - startedMs,
  })
}

/** Generated on the first start where the environment does not say them. */
function withSecrets(given: Env, dataDir: string): Env {
  // A file that the environment names is read where every process reads it.
  const isInFile = given['SIGNALBOX_MASTER_KEY_FILE'] !== undefined
  const formerInFile = given['SIGNALBOX_MASTER_KEY_PREVIOUS_FILE'] !== undefined
  const former =
    given['SIGNALBOX_MASTER_KEY_PREVIOUS'] ??
    (formerInFile ? undefined : readKept(dataDir, 'master-key-previous'))
  return {
    ...given,
    ...(former === undefined ? {} : { SIGNALBOX_MASTER_KEY_PREVIOUS: former }),
    SIGNALBOX_DATA_DIR: dataDir,
    SIGNALBOX_ADMIN_TOKEN:
      given['SIGNALBOX_ADMIN_TOKEN'] ?? keepSecret(dataDir, 'admin-token', 'base64url'),
    ...(isInFile
      ? {}
      : {
          SIGNALBOX_MASTER_KEY:
            given['SIGNALBOX_MASTER_KEY'] ?? keepSecret(dataDir, 'master-key', 'base64'),
        }),
  }
}

async function startBus(
  env: Env,
  shared: { clock: typeof systemClock; random: () => number },
): Promise<{ bus: Bus; hub: Hub | null }> {
  const nats = readNatsOptions(env)
  if (!nats) {
    const hub = createHub({ clock: shared.clock })
    return { bus: hub.connect(), hub }
  }
  const log = createLog('bus', readLevels(env, 'warn'))
  return { bus: await connectNats({ ...nats, fleet: readFleet(env), log, ...shared }), hub: null }
}

async function embeddedDatabase(dataDir: string, stops: Parts['stops'], log: Log): Promise<string> {
  const password = keepSecret(dataDir, 'postgres-password', 'base64url')
  const place = { dataDir: resolve(dataDir, 'postgres'), password }
  const database = await keepDatabase(place, { clock: systemClock, log })
  stops.push(() => database.stop())
  return database.url
}
