import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common'
import { type FastifyReply } from 'fastify'
import { Events } from './events.ts'
import { type LogEnd } from './fleet.ts'
import { readPage } from './paging.ts'
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
    const query = readQuery(request, ['revision'])
    const { store, fleet } = this.service.deps
    const { lineage, epoch, revision } = await store.head()
    const asked = readWhole(query, 'revision', { min: 1, max: revision, otherwise: revision })
    const members = fleet
      .members()
      .map((member) => presentMember(member, { lineage, epoch, revision }))
    const proxies = members.filter((member) => member.role === 'proxy' && member.live)
    const applied = proxies.filter((member) => member.lag === 0).length
    const head = { lineage, epoch, revision }
    const convergence = this.#convergence({ lineage, epoch, revision: asked })
    return { head, live: proxies.length, applied, convergence, members }
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
    readQuery(request, [])
    const { statuses, store } = this.service.deps
    const { revision, ids } = await store.ids('backend')
    const known = new Set(ids)
    statuses.keepOnly((backend) => known.has(backend))
    const items = ids.map((id) => ({
      ...presentStatus(id, statuses.of(id)),
      observers: statuses.observations(id).map(presentObservation),
    }))
    return { items, revision }
  }

  /** When it changed sides, newest first. One that was removed is remembered as long as any. */
  @Get('status/:backend/history')
  async history(@Req() request: AdminRequest, @Param('backend') id: string) {
    const query = readQuery(request, ['limit', 'cursor'])
    const page = readPage(query, { most: 200, otherwise: 50 })
    const { store } = this.service.deps
    const items = await store.transitions.of(id, page)
    if (items.length === 0 && !(await store.resource('backend', id))) {
      throw refused('not_found', `there is no backend ${JSON.stringify(id)}`)
    }
    const last = items.length === page.limit ? items.at(-1) : undefined
    return { items, nextCursor: last ? String(last.id) : null }
  }

  @Get('events')
  stream(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    readQuery(request, [])
    return this.events.serve(request, reply)
  }
}
