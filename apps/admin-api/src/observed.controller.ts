import { Controller, Get, Inject, Req, Res } from '@nestjs/common'
import { type FastifyReply } from 'fastify'
import { Events } from './events.ts'
import { presentMember, presentStatus } from './observed.ts'
import { type AdminRequest, readQuery } from './request.ts'
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
    readQuery(request, [])
    const { store, fleet } = this.service.deps
    const { lineage, epoch, revision } = await store.head()
    const members = fleet.members().map((member) => presentMember(member, { lineage, revision }))
    const proxies = members.filter((member) => member.role === 'proxy' && member.live)
    const applied = proxies.filter((member) => member.lag === 0).length
    return { head: { lineage, epoch, revision }, live: proxies.length, applied, members }
  }

  @Get('status')
  async status(@Req() request: AdminRequest) {
    readQuery(request, [])
    const snapshot = await this.service.state(undefined)
    const { statuses } = this.service.deps
    statuses.keepOnly((backend) => snapshot.backends.has(backend))
    const items = [...snapshot.backends.keys()].map((id) => presentStatus(id, statuses.of(id)))
    return { items, revision: snapshot.head.revision }
  }

  @Get('events')
  stream(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    readQuery(request, [])
    return this.events.serve(request, reply)
  }
}
