import { Controller, Get, Inject, Req } from '@nestjs/common'
import {
  type KeptRequest,
  type RequestFilter,
  type RequestPlace,
  USAGE_DIMENSIONS,
  type UsageDimension,
} from '@signalbox/store'
import { type AdminRequest, parseTime, readQuery, readWhole, wrongParameter } from './request.ts'
import { AdminService } from './service.ts'

const LIMIT = 50
const LIMIT_MAX = 500
const GROUPS = 100
const GROUPS_MAX = 1_000
const HOUR_MS = 3_600_000
const SPAN_MS = 24 * HOUR_MS
/** What one question may look through. */
const SPAN_MS_MAX = 31 * SPAN_MS
const FILTERS = ['requestId', 'route', 'key', 'backend'] as const

type Query = Readonly<Record<string, string | undefined>>

/** What requests were: one by one, and added up. */
@Controller('admin/v1')
export class UsageController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Get('usage')
  async usage(@Req() request: AdminRequest) {
    const query = readQuery(request, ['groupBy', 'from', 'to', 'limit'])
    const groupBy = readDimensions(query['groupBy'])
    const to = readTime(query, 'to') ?? new Date(this.service.deps.clock.nowMs())
    const from = readTime(query, 'from') ?? new Date(to.getTime() - SPAN_MS)
    const spanMs = to.getTime() - from.getTime()
    if (spanMs <= 0 || spanMs > SPAN_MS_MAX) {
      throw wrongParameter('from', 'expected a time before `to`, by 31 days at most')
    }
    const limit = readWhole(query, 'limit', { min: 1, max: GROUPS_MAX, otherwise: GROUPS })
    const { requests } = this.service.deps.store
    const found = await requests.usage({ groupBy, from, to, limit: limit + 1 })
    const items = found.slice(0, limit).map(({ by, ...rest }) => ({ ...by, ...rest }))
    const truncated = found.length > limit
    return { from: from.toISOString(), to: to.toISOString(), groupBy, items, truncated }
  }

  @Get('requests')
  async list(@Req() request: AdminRequest) {
    const query = readQuery(request, [...FILTERS, 'status', 'since', 'limit', 'cursor'])
    const limit = readWhole(query, 'limit', { min: 1, max: LIMIT_MAX, otherwise: LIMIT })
    const since = readTime(query, 'since')
    const status = readStatus(query['status'])
    const before = readPlace(query['cursor'])
    const filter: RequestFilter = {
      ...Object.fromEntries(FILTERS.flatMap((name) => (query[name] ? [[name, query[name]]] : []))),
      ...(since ? { since } : {}),
      ...(status ? { status } : {}),
      ...(before ? { before } : {}),
      limit: limit + 1,
    }
    const found = await this.service.deps.store.requests.list(filter)
    const page = found.slice(0, limit)
    const last = found.length > limit ? page.at(-1) : undefined
    return { items: page.map(presentRequest), nextCursor: last ? cursorOf(last) : null }
  }
}

/** A record as the API answers it; the inputs of its picks are for explain. */
export function presentRequest({ atMs, attempts, ...rest }: KeptRequest) {
  return {
    ...rest,
    at: new Date(atMs).toISOString(),
    attempts: attempts.map(({ backend, outcome, ms }) => ({ backend, outcome, ms })),
  }
}

function readDimensions(text: string | undefined): readonly UsageDimension[] {
  if (text === undefined || text === '') return []
  const names = [...new Set(text.split(','))]
  const known = USAGE_DIMENSIONS.filter((one) => names.includes(one))
  if (known.length === names.length) return known
  throw wrongParameter('groupBy', `expected some of ${USAGE_DIMENSIONS.join(', ')}, by commas`)
}

function readTime(query: Query, name: string): Date | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  const time = parseTime(text)
  if (time) return time
  throw wrongParameter(name, 'expected an RFC 3339 time')
}

/** `502`, or `5xx`. */
function readStatus(text: string | undefined): RequestFilter['status'] {
  if (text === undefined) return undefined
  const [, digit, rest] = /^([1-9])(\d\d|xx)$/.exec(text) ?? []
  if (digit === undefined) throw wrongParameter('status', 'expected a status such as 502, or 5xx')
  if (rest === 'xx') return { from: Number(`${digit}00`), to: Number(`${digit}99`) }
  return { from: Number(text), to: Number(text) }
}

/** The end of the year 9999: Postgres knows later times, nobody makes records in them. */
const AT_MS_MAX = 253_402_300_799_999

function cursorOf({ atMs, proxy, id }: RequestPlace): string {
  return Buffer.from(JSON.stringify([atMs, proxy, id])).toString('base64url')
}

function readPlace(text: string | undefined): RequestPlace | undefined {
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown[]
    const [atMs, proxy, id] = value
    const isTime = typeof atMs === 'number' && atMs >= 0 && atMs <= AT_MS_MAX
    const texts = [proxy, id].every(
      (one) => typeof one === 'string' && one.isWellFormed() && !one.includes('\0'),
    )
    if (isTime && texts) return { atMs, proxy: String(proxy), id: String(id) }
  } catch {
    // refused below
  }
  throw wrongParameter('cursor', 'expected the nextCursor of an earlier page')
}
