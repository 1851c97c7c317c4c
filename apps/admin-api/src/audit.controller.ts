import { Controller, Get, Inject, Param, Req } from '@nestjs/common'
import { type ResourceName, RESOURCES } from '@signalbox/model'
import { type RevisionRecord } from '@signalbox/store'
import { presentChange } from './masking.ts'
import { readPage } from './paging.ts'
import { refused } from './refused.ts'
import { type AdminRequest, parseTime, readQuery, wrongParameter } from './request.ts'
import { AdminService } from './service.ts'

const LIMIT_MAX = 200
const LIMIT = 50

/** Who changed what, when and why. */
@Controller('admin/v1/revisions')
export class AuditController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Get()
  async list(@Req() request: AdminRequest) {
    const query = readQuery(request, ['limit', 'cursor', 'actor', 'resource', 'id', 'from', 'to'])
    const { limit, before } = readPage(query, { most: LIMIT_MAX, otherwise: LIMIT })
    const { actor, resource, id } = query
    const [from, to] = [readTime(query, 'from'), readTime(query, 'to')]
    const { store } = this.service.deps
    const found = await store.revisions({
      limit: limit + 1,
      ...(before === null ? {} : { before }),
      ...(actor === undefined ? {} : { actor }),
      ...(resource === undefined ? {} : { resource: readResource(resource) }),
      ...(id === undefined ? {} : { id }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    })
    const page = found.slice(0, limit)
    const more = found.length > limit
    return {
      items: page.map(presentRecord),
      nextCursor: more ? String(page.at(-1)?.body.revision) : null,
      revision: (await store.head()).revision,
    }
  }

  @Get(':revision')
  async read(@Req() request: AdminRequest, @Param('revision') text: string) {
    readQuery(request, [])
    const revision = /^\d{1,15}$/.test(text) ? Number(text) : 0
    const found = await this.service.deps.store.revision(revision)
    if (!found) throw refused('not_found', `there is no revision ${JSON.stringify(text)}`)
    return presentRecord(found)
  }
}

function readResource(text: string): ResourceName {
  const name = RESOURCES.find((one) => one === text)
  if (name) return name
  throw wrongParameter('resource', `expected one of ${RESOURCES.join(', ')}`)
}

function readTime(
  query: Readonly<Record<string, string | undefined>>,
  name: 'from' | 'to',
): Date | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  const time = parseTime(text)
  if (time) return time
  throw wrongParameter(name, 'expected an RFC 3339 time')
}

function presentRecord({ body, hash, previousHash, changes }: RevisionRecord) {
  const { revision, at, actor, role, source, reason, requestId, changeRef, address } = body
  const undoes = body.undoes ?? null
  return {
    revision,
    at,
    actor,
    role,
    source,
    reason,
    requestId,
    changeRef,
    address,
    undoes,
    hash,
    previousHash,
    changes: changes.map(presentChange),
  }
}
