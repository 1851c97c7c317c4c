import 'reflect-metadata'
import { APP_FILTER, APP_GUARD, NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { type Bus } from '@signalbox/bus'
import {
  answerOps,
  type Clock,
  Counter,
  type ListenAddress,
  listenError,
  type Log,
  type Metrics,
  type Running,
} from '@signalbox/host'
import { RESOURCES } from '@signalbox/model'
import { type Store } from '@signalbox/store'
import { type FastifyInstance } from 'fastify'
import { createFindActor } from './actors.ts'
import { AuditController } from './audit.controller.ts'
import { ChangesController } from './changes.controller.ts'
import { ADMIN_LISTEN, type AdminConfig } from './config.ts'
import { serveDocs } from './docs-page.ts'
import { Events } from './events.ts'
import { createFleet } from './fleet.ts'
import { TokenGuard } from './guard.ts'
import { ObservedController } from './observed.controller.ts'
import { ProblemFilter, refusalOf, sendProblem } from './problem.ts'
import { startPublisher } from './publisher.ts'
import { refused } from './refused.ts'
import { type AdminRequest, newRequestId, requestIdOf } from './request.ts'
import { resourceController } from './resources.controller.ts'
import { AdminService } from './service.ts'
import { createStatuses } from './statuses.ts'

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

/** A revision must fit into one message of the bus; this leaves room for its envelope. */
const BODY_BYTES_MAX = 262_144
const ALIVE_CHECK_MS = 2_000
const JSON_TYPES = ['application/json', 'application/merge-patch+json']

/** Starts the admin API and its publisher. stop() finishes what is under way. */
export async function startAdminApi(
  config: AdminConfig,
  deps: AdminDeps,
): Promise<RunningAdminApi> {
  const { store, bus, clock, log, metrics } = deps
  const fleet = createFleet(clock)
  const statuses = createStatuses(clock)
  const events = new Events({ store, fleet, statuses, clock })
  const service = new AdminService({ config, store, fleet, statuses, clock, log })
  const database = { alive: true }
  const ends = [
    bus.onHeartbeat((heartbeat) => fleet.hear(heartbeat)),
    bus.onStatus((table) => statuses.hear(table)),
    bus.onConnection((connected) => connected && bus.askAround()),
    clock.every(ALIVE_CHECK_MS, () => {
      void store.alive().then((alive) => (database.alive = alive))
    }),
  ]
  const readiness = () => ({
    ready: database.alive,
    reasons: database.alive ? [] : ['the database does not answer'],
    detail: { bus: bus.connected() ? 'connected' : 'not connected: changes are published later' },
  })

  const app = await createApp({ config, service, events, log })
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance()
  watchRequests(fastify, { log, clock, metrics })
  fastify.addHook('onRequest', (request, reply, done) => {
    const ops = { readiness, metrics, metricsAccess: config.metricsAccess }
    if (answerOps(request.raw, reply.raw, ops)) reply.hijack()
    else done()
  })
  readBodies(fastify)
  serveDocs(fastify)
  await app.init()
  const address = await listenWith(app, config.listen)
  const publisher = startPublisher(deps)
  if (bus.connected()) bus.askAround()
  log.info({ address }, 'admin API listens')

  return {
    address,
    stop: async () => {
      events.close()
      await app.close()
      for (const end of ends) end()
      await publisher.stop()
    },
  }
}

interface AppParts {
  readonly config: AdminConfig
  readonly service: AdminService
  readonly events: Events
  readonly log: Log
}

function createApp({ config, service, events, log }: AppParts): Promise<NestFastifyApplication> {
  class AdminModule {}
  const module = {
    module: AdminModule,
    controllers: [
      ...RESOURCES.map(resourceController),
      ChangesController,
      AuditController,
      ObservedController,
    ],
    providers: [
      { provide: AdminService, useValue: service },
      { provide: Events, useValue: events },
      { provide: APP_GUARD, useValue: new TokenGuard(createFindActor(config.tokens)) },
      { provide: APP_FILTER, useValue: new ProblemFilter(log) },
    ],
  }
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    genReqId: newRequestId,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
  })
  return NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  })
}

/**
 * Bodies are kept as bytes beside what they parse to: an Idempotency-Key stands for these bytes.
 */
function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (request, body, done) => {
    ;(request as AdminRequest).rawBody = body as Buffer
    try {
      done(null, body.length === 0 ? undefined : JSON.parse(body.toString('utf8')))
    } catch {
      done(refused('malformed_body', 'the body is not valid JSON'), undefined)
    }
  })
  fastify.setErrorHandler((error, request, reply) => {
    sendProblem(reply, refusalOf(error), requestIdOf(request))
  })
}

/**
 * Counts and logs each request (no body, no header), and sets the headers that all answers carry.
 */
function watchRequests(
  fastify: FastifyInstance,
  { log, clock, metrics }: { log: Log; clock: Clock; metrics: Metrics },
): void {
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests, by method, endpoint and status',
    labelNames: ['method', 'endpoint', 'status'],
    registers: [metrics],
  })
  const started = new WeakMap<object, number>()
  fastify.addHook('onRequest', (request, reply, done) => {
    started.set(request, clock.monotonicMs())
    void reply.header('x-request-id', requestIdOf(request))
    void reply.header('x-content-type-options', 'nosniff')
    void reply.header('cache-control', 'no-store')
    done()
  })
  fastify.addHook('onResponse', (request, reply, done) => {
    const endpoint = request.routeOptions.url ?? 'other'
    const { method } = request
    const status = reply.statusCode
    requests.inc({ method, endpoint, status: String(status) })
    const durationMs = Math.round(clock.monotonicMs() - (started.get(request) ?? 0))
    const actor = (request as AdminRequest).actor?.id ?? null
    log.info(
      { method, endpoint, status, actor, durationMs, requestId: requestIdOf(request) },
      'request',
    )
    done()
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
