import {
  Controller,
  Delete,
  Get,
  Inject,
  Param,
  Patch,
  Post,
  Put,
  Req,
  Res,
  type Type,
} from '@nestjs/common'
import { type Command } from '@signalbox/control'
import {
  DEFINITIONS,
  type FieldProblem,
  parseId,
  type Resource,
  type ResourceName,
} from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { presentPage, readCursor, readLabel } from './listing.ts'
import { presentResource } from './masking.ts'
import { refused } from './refused.ts'
import {
  type AdminRequest,
  readFlag,
  readQuery,
  readWhole,
  readWrite,
  refuseIfMatch,
} from './request.ts'
import { respond } from './respond.ts'
import { AdminService, presentRevision, presentWritten } from './service.ts'

export const LIST_LIMIT_MAX = 1_000
export const LIST_LIMIT = 100
const LIST_PARAMETERS = ['limit', 'cursor', 'label', 'kind', 'q', 'asOf']

/** The calls for one kind of resource; all kinds have the same ones. */
export function resourceController(name: ResourceName): Type<unknown> {
  @Controller(`admin/v1/${DEFINITIONS[name].plural}`)
  class ResourceController {
    readonly service: AdminService

    constructor(@Inject(AdminService) service: AdminService) {
      this.service = service
    }

    @Get()
    async list(@Req() request: AdminRequest, @Res({ passthrough: true }) reply: FastifyReply) {
      const page = await readList(this.service, name, request)
      void reply.header('x-signalbox-revision', String(page.revision))
      return page
    }

    @Get(':id')
    async read(
      @Req() request: AdminRequest,
      @Res({ passthrough: true }) reply: FastifyReply,
      @Param('id') id: string,
    ) {
      const found = await readOne(this.service, name, { id, request })
      void reply.header('etag', `"${found.revision}"`)
      return presentResource(found)
    }

    @Post()
    async create(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
      const { id, spec } = readBody(request, ['id', 'spec'])
      await write(this.service, { request, reply }, { op: 'create', resource: name, id, spec })
    }

    @Put(':id')
    async replace(
      @Req() request: AdminRequest,
      @Res() reply: FastifyReply,
      @Param('id') id: string,
    ) {
      const { spec } = readBody(request, ['spec'])
      const { ifMatch } = readWrite(request)
      await write(
        this.service,
        { request, reply },
        { op: 'put', resource: name, id, spec, ifMatch },
      )
    }

    @Patch(':id')
    async change(
      @Req() request: AdminRequest,
      @Res() reply: FastifyReply,
      @Param('id') id: string,
    ) {
      const { spec } = readBody(request, ['spec'])
      const { ifMatch } = readWrite(request)
      await write(
        this.service,
        { request, reply },
        { op: 'patch', resource: name, id, patch: spec, ifMatch },
      )
    }

    @Delete(':id')
    async remove(
      @Req() request: AdminRequest,
      @Res() reply: FastifyReply,
      @Param('id') id: string,
    ) {
      await remove(this.service, { request, reply }, { name, id })
    }
  }
  return ResourceController
}

interface Http {
  readonly request: AdminRequest
  readonly reply: FastifyReply
}

async function remove(
  service: AdminService,
  { request, reply }: Http,
  { name, id }: { readonly name: ResourceName; readonly id: string },
) {
  const options = readWrite(request, { more: ['cascade'] })
  const cascade = readFlag(readQuery(request, ['cascade', 'dryRun', 'wait']), 'cascade')
  const { ifMatch } = options
  const command = { op: 'delete', resource: name, id, ifMatch, cascade } as const
  // What goes with it is named; of one alone there is nothing to say.
  const present = cascade ? presentRevision : () => ({ status: 204, headers: {}, body: '' })
  respond(reply, await service.run([command], options, present))
}

async function write(service: AdminService, { request, reply }: Http, command: Command) {
  const present = presentWritten(command.resource, () => String(command.id))
  const options = readWrite(request)
  if (command.op === 'create') refuseIfMatch(options)
  respond(reply, await service.run([command], options, present))
}

async function readList(service: AdminService, name: ResourceName, request: AdminRequest) {
  const query = readQuery(request, LIST_PARAMETERS)
  const { cursor, label, kind, q } = query
  const limit = readWhole(query, 'limit', { min: 1, max: LIST_LIMIT_MAX, otherwise: LIST_LIMIT })
  const pinned = readCursor(cursor)
  const asOf = pinned?.revision ?? (await service.revisionOf(query['asOf']))
  const labelled = readLabel(label)
  const page = await service.deps.store.page(name, {
    limit,
    ...(pinned ? { after: pinned.after } : {}),
    ...(asOf === undefined ? {} : { asOf }),
    ...(labelled ? { label: labelled } : {}),
    ...(kind === undefined ? {} : { kind }),
    ...(q === undefined ? {} : { q }),
  })
  if (page) return presentPage(page)
  throw refused('not_found', `there is no revision ${asOf} yet`)
}

async function readOne(
  service: AdminService,
  name: ResourceName,
  { id, request }: { id: string; request: AdminRequest },
): Promise<Resource> {
  const { asOf } = readQuery(request, ['asOf'])
  const found = parseId(name, id).ok ? await service.resource(name, id, asOf) : null
  if (found) return found
  throw refused('not_found', `there is no ${name} ${JSON.stringify(id)}`)
}

/** The members of a JSON body; what is not known is refused by name. */
export function readBody(request: AdminRequest, known: readonly string[]): Record<string, unknown> {
  const { body } = request
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw refused('malformed_body', 'expected a JSON object as the body')
  }
  const errors = Object.keys(body).flatMap((path): FieldProblem[] =>
    known.includes(path) ? [] : [{ path, message: `unknown field; expected ${known.join(', ')}` }],
  )
  if (errors.length > 0) throw refused('validation_failed', 'the body has unknown fields', errors)
  return body as Record<string, unknown>
}
