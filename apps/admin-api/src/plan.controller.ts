import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common'
import { readConfigDocument } from '@signalbox/control'
import { type FieldProblem, parseId, project, type Snapshot } from '@signalbox/model'
import { compile, type Discovered, reroute, REROUTED } from '@signalbox/routing'
import { type Committed, type KeptRequest } from '@signalbox/store'
import { readOperations } from './changes.controller.ts'
import { SET_WANTED } from './config.controller.ts'
import { refused } from './refused.ts'
import { type AdminRequest, readQuery, readWrite, refuseIfMatch } from './request.ts'
import { readBody } from './resources.controller.ts'
import { AdminService, presentDryRun } from './service.ts'

const REQUESTS = 1_000
const REQUESTS_MAX = 10_000
/** Of a document: as the query of PUT /config. */
const HOW = ['set', 'prune', 'force'] as const

interface Seen {
  readonly revision: number
  readonly committed: Committed | null
}

/** A change that is not made: what it would change, and which recorded requests it would move. */
@Controller('admin/v1/plan')
export class PlanController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Post()
  @HttpCode(200)
  async plan(@Req() request: AdminRequest) {
    readQuery(request, [])
    const asked = readBody(request, ['operations', 'config', ...HOW, 'lastRequests'])
    const limit = readCount(asked['lastRequests'])
    const written = { ...readWrite(request), dryRun: true, idempotency: null }
    refuseIfMatch(written)
    let seen: Seen | undefined
    const presentPlan = (committed: Committed | null, snapshot: Snapshot) => {
      const { revision } = committed?.before.head ?? snapshot.head
      seen = { revision, committed }
      return presentDryRun(committed, snapshot)
    }
    const answer = await this.#dryRun(asked, { ...written, presentDryRun: presentPlan })
    if (!seen) throw new Error('a dry run that presented nothing')
    const requests = await this.service.deps.store.requests.list({ limit })
    const groups = reroute(requests, await this.#tables(seen, requests))
    const sum = (certain: boolean) =>
      groups
        .filter((group) => group.certain === certain && group.reason !== 'model_found')
        .reduce((all, group) => all + group.requests, 0)
    return {
      ...(JSON.parse(answer.body) as object),
      requests: {
        looked: requests.length,
        since: requests.length > 0 ? new Date(requests.at(-1)?.atMs ?? 0).toISOString() : null,
        elsewhere: sum(true),
        perhaps: sum(false),
        groups: groups.map((group) => ({ ...group, why: REROUTED[group.reason] })),
      },
    }
  }

  /** Of what the requests and the change are about; a dry run holds only what it looked at. */
  async #tables({ revision, committed }: Seen, requests: readonly KeptRequest[]) {
    const events = committed?.body.events ?? []
    const keys = new Set(requests.flatMap(({ key }) => key ?? []))
    const concern = {
      models: [...new Set(requests.flatMap(({ model }) => model ?? []))],
      named: [...[...keys].map((id) => ({ resource: 'key', id }) as const), ...events],
      specs: events.flatMap(({ spec }) => spec ?? []),
    }
    const before = await this.service.concerning(concern, String(revision))
    const after = committed ? project(before, committed.message, committed.body) : before
    return { before: this.#tableOf(before), after: this.#tableOf(after) }
  }

  #dryRun(asked: Readonly<Record<string, unknown>>, options: Parameters<AdminService['apply']>[2]) {
    const { operations, config } = asked
    if ((operations === undefined) === (config === undefined)) {
      throw wrong([{ path: 'operations', message: 'expected either operations or config' }])
    }
    if (operations !== undefined) {
      const path = HOW.find((name) => asked[name] !== undefined)
      if (path !== undefined) throw wrong([{ path, message: 'goes with config' }])
      const several = { ...options, several: true } as const
      return this.service.run(readOperations(operations), several, presentDryRun)
    }
    const how = readHow(asked)
    const document = readConfigDocument(config)
    if (!document.ok) {
      throw refused('validation_failed', 'the configuration is not valid', document.error)
    }
    return this.service.apply(document.value, how, options)
  }

  #tableOf(snapshot: Snapshot) {
    const { statuses } = this.service.deps
    const ids = [...snapshot.backends.keys()]
    const discovered: Discovered = new Map(ids.map((id) => [id, statuses.of(id)?.models ?? []]))
    return compile(snapshot, discovered).table
  }
}

function readHow({ set = null, prune = false, force = false }: Readonly<Record<string, unknown>>) {
  if (set !== null && (typeof set !== 'string' || !parseId('set', set).ok)) {
    throw wrong([{ path: 'set', message: SET_WANTED }])
  }
  const flags = { prune, force }
  for (const [path, value] of Object.entries(flags)) {
    if (typeof value !== 'boolean') throw wrong([{ path, message: 'expected true or false' }])
  }
  return { set, prune: prune === true, force: force === true }
}

function readCount(value: unknown): number {
  if (value === undefined) return REQUESTS
  const count = Number.isSafeInteger(value) ? Number(value) : 0
  if (count >= 1 && count <= REQUESTS_MAX) return count
  throw wrong([{ path: 'lastRequests', message: `expected 1 to ${REQUESTS_MAX}` }])
}

function wrong(errors: readonly FieldProblem[]) {
  return refused('validation_failed', 'the plan is not valid', errors)
}
