import { type Server } from 'node:http'
import { join } from 'node:path'
import {
  type Bus,
  follow,
  type Following,
  type FollowOptions,
  manifestTrust,
  openDiskCopy,
  type SnapshotSource,
} from '@signalbox/bus'
import {
  type Clock,
  listen,
  type ListenAddress,
  type Log,
  type Metrics,
  VERSION,
} from '@signalbox/host'
import { type Load, type Status } from '@signalbox/model'
import { keyDigester, LOOK_MS, StatusBook } from '@signalbox/routing'
import { type BackendHealth } from './answers.ts'
import { type ProxyConfig, PROXY_LISTEN } from './config.ts'
import { registerFollowMetrics } from './follow-metrics.ts'
import { type LeaseHearing, type LeaseLane } from './limits.ts'
import { Spool } from './spool.ts'
import { type Usage, UsageLane } from './usage.ts'

/** What a data plane hears while it runs. */
export interface Hearing {
  readonly onSnapshot: FollowOptions['onSnapshot']
  /** Verdicts, in the order in which they are to be taken: the newest last. */
  readonly onStatus: (statuses: readonly Status[]) => void
  readonly load: () => Load
}

/** What a data plane has from where it runs: alone in its process, or as one of several workers. */
export interface Seat {
  /** Begins to hear of the configuration and of statuses. `end` takes no more statuses. */
  follow(hearing: Hearing): { readonly following: Following; readonly end: () => void }
  /** Makes the servers that accept clients, and where they listen. */
  open(make: () => Server): Promise<Opened>
  /** Where records of requests go. `boot` names this start. */
  openUsage(boot: string): Usage
  /** The way to the other data planes of the fleet. */
  openLeases(hearing: LeaseHearing): LeaseLane
  /** How many share what is limited for the proxy as a whole. */
  readonly workers: number
  /** Whether what is learnt is written to disk here. */
  readonly keepsModels: boolean
  /** Metrics of the whole proxy. */
  metricsText(): Promise<string>
  /** Backends as the whole proxy sees them. */
  backends(own: BackendHealth): BackendHealth | Promise<BackendHealth>
  /** More for /readyz. */
  detail(): Readonly<Record<string, unknown>>
}

export interface Opened {
  readonly servers: readonly Server[]
  readonly addresses: readonly ListenAddress[]
}

export interface AloneDeps {
  readonly bus: Bus
  /** A snapshot that somebody carries here, beside the bus. */
  readonly folder?: SnapshotSource | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/** The only data plane of its proxy: it follows the log itself, and speaks for itself. */
export function alone(config: ProxyConfig, deps: AloneDeps): Seat {
  const { metrics, clock } = deps
  return {
    follow: ({ onSnapshot, onStatus, load }) => {
      const digests = { key: keyDigester() }
      const disk = openDiskCopy(diskFolder(config), digests)
      const trusts = manifestTrust(config)
      const identity = identityOf(config)
      const following = follow({ ...deps, disk, load, onSnapshot, identity, trusts, digests })
      registerFollowMetrics(metrics, { following, clock })
      return { following, end: hearStatus(deps, onStatus) }
    },
    open: async (make) => {
      const servers = config.listen.map(make)
      const addresses = await Promise.all(
        servers.map((server, index) => listenOn(server, config.listen[index])),
      )
      return { servers, addresses }
    },
    openUsage: (boot) => spoolUsage(config, deps, boot),
    openLeases: (hearing) => leasesOver(deps.bus, hearing),
    workers: 1,
    keepsModels: true,
    metricsText: () => metrics.metrics(),
    backends: (own) => own,
    detail: () => ({}),
  }
}

function listenOn(server: Server, address: ListenAddress | undefined): Promise<ListenAddress> {
  if (!address) throw new Error('a server without an address')
  return listen(server, address, PROXY_LISTEN.name)
}

/** To the bus; what nobody stores now waits on disk. */
export function spoolUsage(config: ProxyConfig, deps: AloneDeps, boot: string): UsageLane {
  const spool = new Spool(join(diskFolder(config), 'usage'), config.usageBytesMax)
  return new UsageLane({ ...deps, spool, proxy: config.id, boot })
}

export function diskFolder({ dataDir, id }: ProxyConfig): string {
  return join(dataDir, 'proxy', id)
}

export function identityOf({ id, labels }: ProxyConfig): FollowOptions['identity'] {
  return { id, labels, role: 'proxy', version: VERSION }
}

/**
 * Hears the probes, and asks them for all that they know whenever the bus is there again. What they
 * say is made into one verdict on each backend before anybody acts on it.
 */
export function hearStatus(
  { bus, clock }: Pick<AloneDeps, 'bus' | 'clock'>,
  onStatus: (statuses: readonly Status[]) => void,
): () => void {
  const book = new StatusBook()
  const take = (verdicts: readonly Status[]) => {
    if (verdicts.length > 0) onStatus(verdicts)
  }
  const ends = [
    bus.onStatus((table) => take(book.hear(table, clock.monotonicMs()))),
    clock.every(LOOK_MS, () => take(book.look(clock.monotonicMs()))),
    bus.onConnection((connected) => connected && bus.askAround()),
  ]
  if (bus.connected()) bus.askAround()
  return () => {
    for (const end of ends) end()
  }
}

/** Over the bus, at most once. A proxy that the bus has left keeps to its part. */
export function leasesOver(bus: Bus, { leases, spending }: LeaseHearing): LeaseLane {
  const ends = [bus.onLeases(leases), bus.onSpending(spending)]
  return {
    say: (report) => bus.sendLeases(report),
    cut: () => !bus.connected(),
    end: () => {
      for (const end of ends) end()
    },
  }
}
