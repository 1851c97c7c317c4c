import 'reflect-metadata'
import { APP_FILTER, NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { type Bus } from '@signalbox/bus'
import {
  answerOps,
  type Clock,
  type ListenAddress,
  listenError,
  type Log,
  type Metrics,
  type Running,
} from '@signalbox/host'
import { WRITABLE } from '@signalbox/model'
import { type Store } from '@signalbox/store'
import { type FastifyInstance } from 'fastify'
import { createFindActor } from './actors.ts'
import { AuditController } from './audit.controller.ts'
import { DOCUMENT_BYTES_MAX, readBodies } from './body.ts'
import { ChangesController } from './changes.controller.ts'
import { Checkpoints } from './checkpoints.ts'
import { createClientErrors } from './client-errors.ts'
import { ConfigController } from './config.controller.ts'
import { serveConsole } from './console-files.ts'
import { ADMIN_LISTEN, type AdminConfig } from './config.ts'
import { createSpreads } from './convergence.ts'
import { Denials } from './denials.ts'
import { serveDocs } from './docs-page.ts'
import { Events } from './events.ts'
import { ExplainController } from './explain.controller.ts'
import { createFleet } from './fleet.ts'
import { requireTokens } from './guard.ts'
import { watchMethods } from './methods.ts'
import { ObservedController } from './observed.controller.ts'
import { PlanController } from './plan.controller.ts'
import { Principals } from './principals.ts'
import { ProblemFilter, sendFrameworkError } from './problem.ts'
import { ProofController } from './proof.controller.ts'
import { startPublisher } from './publisher.ts'
import { SnapshotController } from './snapshot.controller.ts'
import { snapshotKeys, Snapshots } from './snapshots.ts'
import { limitRate } from './rate-limit.ts'
import { Releases } from './releases.ts'
import { ReleasesController } from './releases.controller.ts'
import { newRequestId } from './request.ts'
import { resourceController } from './resources.controller.ts'
import { rotationController } from './rotation.controller.ts'
import { SecretsController } from './secrets.controller.ts'
import { AdminService } from './service.ts'
import { SessionController } from './session.controller.ts'
import { Sessions } from './sessions.ts'
import { createStatuses } from './statuses.ts'
import { TimeController } from './time.controller.ts'
import { Transitions } from './transitions.ts'
import { UsageController } from './usage.controller.ts'
import { SpendingTeller } from './spending.ts'
import { UsageReceiver } from './usage-receiver.ts'
import { watchRequests } from './watch-requests.ts'

export interface AdminDeps {
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface RunningAdminApi extends Running {
  readonly address: ListenAddress
}

const ALIVE_CHECK_MS = 2_000
/** Connections that a stop still finds open after this time are cut. */
const DRAIN_MS = 10_000

/** Starts the admin API and its publisher. stop() finishes what is under way. */
export async function startAdminApi(
  config: AdminConfig,
  deps: AdminDeps,
): Promise<RunningAdminApi> {
  const { store, bus, clock, log, metrics } = deps
  const fleet = createFleet(clock)
  const statuses = createStatuses(clock)
  const transitions = new Transitions({ store, statuses, clock, log, metrics })
  const spreads = createSpreads({ clock, metrics })
  const service = new AdminService({ config, store, fleet, spreads, statuses, clock, log })
  const releases = new Releases(service, metrics)
  const events = new Events({ store, fleet, statuses, releases, clock })
  const database = watchDatabase(deps)
  const drain = { begun: false }
  const ends = [
    bus.onHeartbeat((heartbeat) => {
      spreads.heartbeat(heartbeat)
      fleet.hear(heartbeat)
    }),
    bus.onRevision((message) => spreads.revision(message)),
    bus.onStatus((table) => statuses.hear(table)),
    bus.onConnection((connected) => connected && bus.askAround()),
    database.stop,
  ]
  const readiness = () => readinessOf(bus, database)
  const denials = new Denials({ store, clock, log, metrics })
  const checkpoints = new Checkpoints({ config, store, clock, log })
  const sessions = new Sessions({ keys: config, fleet: config.fleet, clock })
  const snapshots = new Snapshots({ ...deps, ...snapshotKeys(config) })
  const app = await createApp({ service, events, releases, checkpoints, sessions, snapshots, log })
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance()
  watchRequests(fastify, { log, clock, metrics, denials })
  closeWhileDraining(fastify, drain)
  fastify.addHook('onRequest', (request, reply, done) => {
    const ops = { readiness, metrics, metricsAccess: config.metricsAccess }
    if (answerOps(request.raw, reply.raw, ops)) reply.hijack()
    else done()
  })
  limitRate(fastify, clock)
  const principals = await readPrincipals(deps)
  const findActor = createFindActor(config.tokens, (hash) => principals.find(hash))
  requireTokens(fastify, { findActor, sessions })
  readBodies(fastify)
  const refuseOtherMethods = watchMethods(fastify)
  servePages(fastify)
  await app.init()
  refuseOtherMethods()
  const address = await listenWith(app, config.listen)
  const publisher = startPublisher({ ...deps, ...snapshotKeys(config), snapshots })
  const usage = receiveUsage(config, deps)
  if (bus.connected()) bus.askAround()
  log.info({ address }, 'admin API listens')

  return {
    address,
    stop: async () => {
      drain.begun = true
      fleet.end()
      statuses.end()
      events.close()
      const cancel = clock.after(DRAIN_MS, () => fastify.server.closeAllConnections())
      await app.close()
      cancel()
      for (const end of ends) end()
      const stored = [...usage, checkpoints, denials, principals, transitions]
      for (const part of [releases, publisher, ...stored]) await part.stop()
    },
  }
}

/** What proxies report, and what is told to them of it. */
function receiveUsage({ usageRetentionDays: retentionDays }: AdminConfig, deps: AdminDeps) {
  return [new UsageReceiver({ ...deps, retentionDays }), new SpendingTeller(deps)]
}

/** Else a connection would stay open, idle, and hold up the stop. */
function closeWhileDraining(fastify: FastifyInstance, drain: { readonly begun: boolean }): void {
  fastify.addHook('onSend', async (_request, reply) => {
    if (drain.begun) void reply.header('connection', 'close')
  })
}

async function readPrincipals(deps: AdminDeps): Promise<Principals> {
  const principals = new Principals(deps)
  await principals.refresh()
  return principals
}

/** What needs no token: the reference, and the console with its sign-in. */
function servePages(fastify: FastifyInstance): void {
  serveDocs(fastify)
  serveConsole(fastify, import.meta.url)
}

function readinessOf(bus: Bus, database: { readonly alive: () => boolean }) {
  return {
    ready: database.alive(),
    reasons: database.alive() ? [] : ['the database does not answer'],
    detail: { bus: bus.connected() ? 'connected' : 'not connected: changes are published later' },
  }
}

/** Whether Postgres answers, asked now and then. */
function watchDatabase({ store, clock }: Pick<AdminDeps, 'store' | 'clock'>) {
  let alive = true
  const look = () =>
    store.alive().then(
      (answers) => (alive = answers),
      () => (alive = false),
    )
  return { alive: () => alive, stop: clock.every(ALIVE_CHECK_MS, () => void look()) }
}

interface AppParts {
  readonly service: AdminService
  readonly events: Events
  readonly releases: Releases
  readonly checkpoints: Checkpoints
  readonly sessions: Sessions
  readonly snapshots: Snapshots
  readonly log: Log
}

function createApp({
  service,
  events,
  releases,
  checkpoints,
  sessions,
  snapshots,
  log,
}: AppParts): Promise<NestFastifyApplication> {
  class AdminModule {}
  const module = {
    module: AdminModule,
    controllers: [
      SecretsController,
      ...WRITABLE.map(resourceController),
      rotationController('key'),
      rotationController('principal'),
      ChangesController,
      ReleasesController,
      ConfigController,
      TimeController,
      AuditController,
      ProofController,
      SnapshotController,
      ExplainController,
      PlanController,
      UsageController,
      ObservedController,
      SessionController,
    ],
    providers: [
      { provide: AdminService, useValue: service },
      { provide: Events, useValue: events },
      { provide: Releases, useValue: releases },
      { provide: Checkpoints, useValue: checkpoints },
      { provide: Sessions, useValue: sessions },
      { provide: Snapshots, useValue: snapshots },
      { provide: APP_FILTER, useValue: new ProblemFilter(log) },
    ],
  }
  const clientErrors = createClientErrors()
  const adapter = new FastifyAdapter({
    bodyLimit: DOCUMENT_BYTES_MAX,
    genReqId: newRequestId,
    forceCloseConnections: 'idle',
    frameworkErrors: sendFrameworkError,
    clientErrorHandler: clientErrors.answer,
    routerOptions: { maxParamLength: 512 },
  })
  const { server }: FastifyInstance = adapter.getInstance()
  clientErrors.watch(server)
  return NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  })
}

async function listenWith(
  app: NestFastifyApplication,
  address: ListenAddress,
): Promise<ListenAddress> {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance()
  try {
    await fastify.listen(address.kind === 'unix' ? { path: address.path } : address)
  } catch (error) {
    const facts = { address, variable: ADMIN_LISTEN.name }
    throw listenError(error as NodeJS.ErrnoException, facts)
  }
  const bound = fastify.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : undefined
  return address.kind === 'tcp' && port !== undefined ? { ...address, port } : address
}
