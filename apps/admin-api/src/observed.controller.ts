import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common'
import { parseId } from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { Events } from './events.ts'
import { type LogEnd } from './fleet.ts'
import { presentPart, readPage, readPart } from './paging.ts'
import { refused } from './refused.ts'
import { presentMember, presentObservation, presentStatus } from './observed.ts'
import { type AdminRequest, readQuery, readWhole } from './request.ts'
import { AdminService } from './service.ts'

/** What is observed, as against what is desired: members, health, and both as they happen. */
@Controller('admin/v1')
export class ObservedController {
  readonly service: AdminService
  readonly events: Events

  constructor(@Inject(AdminService) service: AdminService, @Inject(Events) events: Events) {
    this.service = service
    this.events = events
  }

  @Get('fleet')
  async fleet(@Req() request: AdminRequest) {
    const query = readQuery(request, ['revision', 'limit', 'cursor'])
    const { store, fleet } = this.service.deps
    const { lineage, epoch, revision } = await store.head()
    const asked = readWhole(query, 'revision', { min: 1, max: revision, otherwise: revision })
    const { after, limit } = readPart(query)
    const all = fleet
      .members()
      .map((member) => presentMember(member, { lineage, epoch, revision }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    const proxies = all.filter((member) => member.role === 'proxy' && member.live)
    const applied = proxies.filter((member) => member.lag === 0).length
    const head = { lineage, epoch, revision }
    const convergence = this.#convergence({ lineage, epoch, revision: asked })
    const found = all.filter(({ id }) => id > after).slice(0, limit + 1)
    const { items: members, nextCursor } = presentPart(found, limit, ({ id }) => id)
    return { head, live: proxies.length, applied, convergence, members, nextCursor }
  }

  /** How it spread, and who of those that are there now does not have it, or refused it. */
  #convergence(at: LogEnd) {
    const { fleet, spreads } = this.service.deps
    const { acked, pending, nacked, laggards } = fleet.standing(at)
    const spread = spreads.of(at) ?? { committedAt: null, p50Ms: null, p99Ms: null, measured: 0 }
    return { revision: at.revision, acked, pending, nacked, ...spread, laggards }
  }

  @Get('status')
  async status(@Req() request: AdminRequest) {
    const { after, limit } = readPart(readQuery(request, ['limit', 'cursor']))
    const { statuses, store } = this.service.deps
    // The first page has all of them read, so that what was said of others is forgotten.
    const part = after === '' ? {} : { after, limit: limit + 1 }
    const { revision, ids } = await store.ids('backend', part)
    if (after === '') {
      const known = new Set(ids)
      statuses.keepOnly((backend) => known.has(backend))
    }
    const { items, nextCursor } = presentPart(ids, limit, (id) => id)
    return { items: items.map((id) => this.#statusOf(id)), nextCursor, revision }
  }

  @Get('status/:backend')
  async statusOfOne(@Req() request: AdminRequest, @Param('backend') id: string) {
    readQuery(request, [])
    await this.#mustExist(id)
    return this.#statusOf(id)
  }

  #statusOf(id: string) {
    const { statuses } = this.service.deps
    const observers = statuses.observations(id).map(presentObservation)
    return { ...presentStatus(id, statuses.of(id)), observers }
  }

  async #mustExist(id: string): Promise<void> {
    if (isName(id) && (await this.service.deps.store.resource('backend', id))) return
    throw refused('not_found', `there is no backend ${JSON.stringify(id)}`)
  }

  /** When it changed sides, newest first. One that was removed is remembered as long as any. */
  @Get('status/:backend/history')
  async history(@Req() request: AdminRequest, @Param('backend') id: string) {
    const query = readQuery(request, ['limit', 'cursor'])
    const page = readPage(query, { most: 200, otherwise: 50 })
    const { store } = this.service.deps
    const items = isName(id) ? await store.transitions.of(id, page) : []
    if (items.length === 0) await this.#mustExist(id)
    const last = items.length === page.limit ? items.at(-1) : undefined
    return { items, nextCursor: last ? String(last.id) : null }
  }

  @Get('events')
  stream(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    readQuery(request, [])
    return this.events.serve(request, reply)
  }
}

/** What no backend can be called is asked of no database: Postgres takes no NUL. */
function isName(id: string): boolean {
  return parseId('backend', id).ok
}
