import { type Bus } from '@signalbox/bus'
import { type Clock, type Log, type Metrics } from '@signalbox/host'
import { type Resource, type Snapshot, type Status } from '@signalbox/model'
import { credentialOf } from '@signalbox/routing'
import { createChecker } from './check.ts'
import { type ProbeConfig } from './config.ts'
import { createProbeMetrics } from './metrics.ts'
import { suspectsItself, withoutDowns } from './suspect.ts'
import { type Watch, watchBackend } from './watch.ts'

export interface ProbeDeps {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Watches {
  /** Starts, replaces and ends watches so that they are the snapshot's. */
  apply(snapshot: Snapshot): void
  statuses(): readonly Status[]
  sendAll(): void
  stop(): Promise<void>
}

/** One watch for each backend that is to be watched, and what they see on the bus. */
export function createWatches(config: ProbeConfig, deps: ProbeDeps): Watches {
  const { bus, clock, random, log, metrics } = deps
  const watches = new Map<string, Watch>()
  const measure = createProbeMetrics(metrics)
  const statuses = () =>
    [...watches.values()].map((watch) => watch.status).filter((status) => status !== null)
  let suspect = false

  const send = (which: readonly Status[]) => {
    suspect = suspectsItself(statuses())
    measure.suspect(suspect)
    const told = suspect ? withoutDowns(which) : which
    if (told.length > 0) bus.sendStatus({ observer: config.id, statuses: told })
  }
  const sendAll = () => send(statuses())

  const start = ({ backend, credential }: Watched, earlier: Watch | undefined) =>
    watchBackend({
      backend,
      credentialRevision: credential?.revision ?? 0,
      checker: createChecker({
        ...{ backend, credential, ...config },
        monotonicMs: () => clock.monotonicMs(),
      }),
      clock,
      random,
      observer: config.id,
      earlier,
      onChecked: (status, { changed, checked }) => {
        measure.checked(status, checked)
        const { backend, health, error } = status
        if (changed) log.info({ backend, health, error }, 'status')
        // What was said while the probe did, or did not yet, suspect itself is said anew.
        if (suspectsItself(statuses()) !== suspect) sendAll()
        else if (changed) send([status])
      },
    })

  const apply = (snapshot: Snapshot) => {
    for (const [id, watch] of watches) {
      if (isWatched(snapshot.backends.get(id))) continue
      void watch.stop()
      watches.delete(id)
      measure.forget(id)
    }
    for (const backend of snapshot.backends.values()) {
      const before = watches.get(backend.id)
      const credential = credentialOf(backend, snapshot)
      if (!isWatched(backend) || (before && isSame(before, { backend, credential }))) continue
      void before?.stop()
      const sameAddress = before?.backend.spec.url === backend.spec.url
      watches.set(backend.id, start({ backend, credential }, sameAddress ? before : undefined))
    }
  }

  const stop = async () => {
    await Promise.all([...watches.values()].map((watch) => watch.stop()))
  }
  return { apply, statuses, sendAll, stop }
}

interface Watched {
  readonly backend: Resource<'backend'>
  readonly credential: ReturnType<typeof credentialOf>
}

/** Whether neither the backend nor the secret that it refers to has changed. */
function isSame(watch: Watch, { backend, credential }: Watched): boolean {
  if (watch.backend.revision !== backend.revision) return false
  return watch.credentialRevision === (credential?.revision ?? 0)
}

function isWatched(backend: Resource<'backend'> | undefined): boolean {
  return backend !== undefined && backend.spec.enabled && backend.spec.health.enabled
}
