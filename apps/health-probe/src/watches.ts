import { type Bus, type SnapshotSource } from '@signalbox/bus'
import { type Clock, type Log, type Metrics } from '@signalbox/host'
import { type NetworkSpec, type Resource } from '@signalbox/model'
import { type Snapshot, type Status } from '@signalbox/model'
import { credentialOf, isInShare, settingsOf } from '@signalbox/routing'
import { createChecker } from './check.ts'
import { type ProbeConfig } from './config.ts'
import { createProbeMetrics } from './metrics.ts'
import { createReleases } from './releases.ts'
import { Suspicion, withoutDowns } from './suspect.ts'
import { createTurns, type Turns } from './turns.ts'
import { type Watch, watchBackend } from './watch.ts'

export interface ProbeDeps {
  readonly bus: Bus
  /** A snapshot that somebody carries here, beside the bus. */
  readonly folder?: SnapshotSource | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Watches {
  /** Starts, replaces and ends watches so that they are this probe's share of the snapshot. */
  apply(snapshot: Snapshot, members: readonly string[]): void
  /** Whether some are still looked at that others look at by now: apply() lets them go in time. */
  isReleasing(): boolean
  statuses(): readonly Status[]
  sendAll(): void
  stop(): Promise<void>
}

/** Said last of it: what was said before shall no longer count. */
const NO_WORD: Pick<Status, 'health' | 'error' | 'latencyMs' | 'models'> = {
  health: 'unknown',
  error: 'other probes look at it now',
  latencyMs: null,
  models: null,
}

/** One watch for each backend that is this probe's to watch, and what they see on the bus. */
export function createWatches(config: ProbeConfig, deps: ProbeDeps): Watches {
  const { bus, clock, random, log, metrics } = deps
  const monotonicMs = () => clock.monotonicMs()
  const watches = new Map<string, Watch>()
  const releases = createReleases(clock)
  const suspicion = new Suspicion()
  const turns = createTurns(clock)
  const measure = createProbeMetrics(metrics)
  const statuses = () => statusesOf(watches.values())
  let suspect = false

  const send = (which: readonly Status[]) => {
    suspect = suspicion.suspects()
    measure.suspect(suspect)
    const told = suspect ? withoutDowns(which) : which
    if (told.length > 0) bus.sendStatus({ observer: config.id, statuses: told })
  }
  const start = ({ backend, credential, network }: Watched, earlier: Watch | undefined) =>
    watchBackend({
      ...{ backend, network },
      credentialRevision: credential?.revision ?? 0,
      checker: createChecker({ backend, credential, network, ...config, monotonicMs }),
      ...{ clock, turns, random, earlier },
      observer: config.id,
      onChecked: (status, { changed, checked }) => {
        measure.checked(status, checked)
        suspicion.saw(status)
        const { backend, health, error } = status
        if (changed) log.info({ backend, health, error }, 'status')
        // What was said while the probe did, or did not yet, suspect itself is said anew.
        if (suspicion.suspects() !== suspect) send(statuses())
        else if (changed) send([status])
      },
    })
  const end = (id: string) => {
    void watches.get(id)?.stop()
    watches.delete(id)
    releases.end(id)
    suspicion.forget(id)
    measure.forget(id)
  }

  const apply = (snapshot: Snapshot, members: readonly string[]) => {
    const share = { self: config.id, members, observersMax: config.observers }
    const released: Status[] = []
    for (const [id, watch] of watches) {
      if (!isWatched(snapshot.backends.get(id))) {
        end(id)
      } else if (isInShare(id, share)) {
        releases.end(id)
      } else if (releases.isDue(id, watch.startedMs)) {
        end(id)
        if (watch.status) released.push({ ...watch.status, ...NO_WORD })
      }
    }
    if (released.length > 0) bus.sendStatus({ observer: config.id, statuses: released })
    const { network } = settingsOf(snapshot)
    for (const backend of snapshot.backends.values()) {
      const before = watches.get(backend.id)
      const watched = { backend, network, credential: credentialOf(backend, snapshot) }
      if (!isWatched(backend) || (before && isSame(before, watched))) continue
      if (!before && !isInShare(backend.id, share)) continue
      void before?.stop()
      const sameAddress = before?.backend.spec.url === backend.spec.url
      watches.set(backend.id, start(watched, sameAddress ? before : undefined))
    }
  }

  const stop = () => stopAll(watches.values(), turns)
  return { apply, isReleasing: releases.pending, statuses, sendAll: () => send(statuses()), stop }
}

async function stopAll(watches: Iterable<Watch>, turns: Turns): Promise<void> {
  turns.stop()
  await Promise.all([...watches].map((watch) => watch.stop()))
}

function statusesOf(watches: Iterable<Watch>): readonly Status[] {
  return [...watches].map((watch) => watch.status).filter((status) => status !== null)
}

interface Watched {
  readonly backend: Resource<'backend'>
  readonly credential: ReturnType<typeof credentialOf>
  readonly network: NetworkSpec
}

/** Whether neither the backend, nor its secret, nor where it may be has changed. */
function isSame(watch: Watch, { backend, credential, network }: Watched): boolean {
  if (String(watch.network.allow) !== String(network.allow)) return false
  if (watch.backend.revision !== backend.revision) return false
  return watch.credentialRevision === (credential?.revision ?? 0)
}

function isWatched(backend: Resource<'backend'> | undefined): boolean {
  return backend !== undefined && backend.spec.enabled && backend.spec.health.enabled
}
