import { createServer } from 'node:http'
import { follow, manifestTrust, noDisk } from '@signalbox/bus'
import { answerOps, type ListenAddress, listen, type Running, VERSION } from '@signalbox/host'
import { type Snapshot, type Status } from '@signalbox/model'
import { PROBE_LISTEN, type ProbeConfig } from './config.ts'
import { createPeers, PRESENCE_MS } from './peers.ts'
import { createWatches, type ProbeDeps } from './watches.ts'

export interface RunningProbe extends Running {
  readonly address: ListenAddress
  /** What it sees now, by backend. */
  statuses(): readonly Status[]
}

/** The whole table is repeated so that a status that was lost on the way is made up for. */
export const REPEAT_MS = 30_000

/** Follows the configuration, looks at every backend, and tells the fleet what it sees. */
export async function startHealthProbe(
  config: ProbeConfig,
  deps: ProbeDeps,
): Promise<RunningProbe> {
  const { bus, folder, clock, random, log, metrics } = deps
  const watches = createWatches(config, deps)
  const sendAll = () => watches.sendAll()
  let newest: Snapshot | null = null
  const share = () => {
    if (newest) watches.apply(newest, peers.members())
  }
  const peers = createPeers({ bus, clock, id: config.id, onChange: share })
  const onSnapshot = (snapshot: Snapshot) => {
    newest = snapshot
    share()
    return []
  }
  const identity = { id: config.id, role: 'probe', labels: {}, version: VERSION } as const
  const following = follow({
    bus,
    disk: noDisk,
    folder,
    trusts: manifestTrust(config),
    clock,
    random,
    log,
    identity,
    onSnapshot,
    load: () => null,
  })
  const stopRepeating = clock.every(REPEAT_MS, sendAll)
  const stopSharing = clock.every(PRESENCE_MS, () => watches.isReleasing() && share())
  const unsubscribe = [bus.onAsked(sendAll), bus.onConnection((up) => up && sendAll())]

  const readiness = () => {
    const { configured, reasons, state, active } = following.state()
    const why = configured ? [] : reasons.length > 0 ? reasons : ['no configuration yet']
    return { ready: configured, reasons: why, detail: { state, revision: active } }
  }
  const ops = { readiness, metrics, metricsAccess: config.metricsAccess }
  const server = createServer((request, response) => {
    if (!answerOps(request, response, ops)) response.writeHead(404).end()
  })
  const stop = async () => {
    stopRepeating()
    stopSharing()
    for (const end of unsubscribe) end()
    await following.stop()
    await watches.stop()
    // The last word: what came after it would count again.
    peers.leave()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  try {
    const address = await listen(server, config.listen, PROBE_LISTEN.name)
    return { address, statuses: () => watches.statuses(), stop }
  } catch (error) {
    await stop()
    throw error
  }
}
