import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common'
import { type Operation, servedBy } from '@signalbox/dialects'
import { type Snapshot } from '@signalbox/model'
import {
  type Candidate,
  compile,
  type Discovered,
  eligible,
  explain,
  type Explanation,
  type LiveBackend,
} from '@signalbox/routing'
import { type Concern } from '@signalbox/store'
import { ASKED, readInputs, wrong } from './explain-inputs.ts'
import { explainElsewhere, explainRequest, type Under } from './explain-request.ts'
import { refused } from './refused.ts'
import { type AdminRequest, readQuery } from './request.ts'
import { readBody } from './resources.controller.ts'
import { AdminService } from './service.ts'

const ID_LENGTH_MAX = 255
const MS_PER_S = 1_000
/** Clients may repeat an id: the newest is explained, and how many there are is said. */
const MATCHES_MAX = 100

/** Why a request would go where it goes, now or under any revision, with what probes say now. */
@Controller('admin/v1/explain')
export class ExplainController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Post()
  @HttpCode(200)
  async explain(@Req() request: AdminRequest) {
    readQuery(request, [])
    const asked = readBody(request, [...ASKED, 'revision', 'requestId'])
    if (asked['requestId'] !== undefined) return this.#recorded(asked)
    const { model, key, operation, hash, hashable, ...inputs } = readInputs(asked)
    const named = typeof key === 'string' ? [{ resource: 'key', id: key } as const] : []
    const concern = { models: [model], named }
    const asOf = readRevision(asked['revision'])
    const { snapshot, discovered } = await this.#under(concern, asOf)
    const { table } = compile(snapshot, discovered)
    const live = table.backends.map(({ id }) => this.#live(id, inputs.down))
    // A proxy knows its own load and latencies; here all are idle and none was measured.
    const context = { live, nowMs: 0, random: () => 0, tried: [], hash, place: inputs.place }
    const nowS = typeof key === 'string' ? (await this.service.msOf(asOf)) / MS_PER_S : 0
    const explanation = explain(model, {
      ...{ snapshot, table, discovered, context },
      who: key === undefined ? undefined : { key, nowS },
      hashable: hash === undefined ? hashable : undefined,
    })
    return operation ? withOperation(explanation, operation, snapshot) : explanation
  }

  /** The newest request of this id, decided again; another revision is asked about beside it. */
  async #recorded(asked: Readonly<Record<string, unknown>>) {
    const requestId = readRequestId(asked)
    const other = readRevision(asked['revision'])
    const { requests } = this.service.deps.store
    const found = await requests.list({ requestId, limit: MATCHES_MAX })
    const [kept] = found
    if (!kept) {
      const late = 'it may be a second until a request is recorded'
      throw refused('not_found', `there is no record of the request ${requestId}; ${late}`)
    }
    const { revision } = kept
    const concern = { models: [kept.model ?? ''] }
    const then = await this.#under(concern, revision === null ? undefined : String(revision))
    const explained = { ...explainRequest(kept, then), matches: found.length }
    if (other === undefined) return explained
    const under = await this.#under(concern, other)
    return { ...explained, elsewhere: explainElsewhere(kept, then, under) }
  }

  async #under(concern: Concern, revision: string | undefined): Promise<Under> {
    const snapshot = await this.service.concerning(concern, revision)
    return { snapshot, discovered: this.#discovered(snapshot) }
  }

  #discovered({ backends }: Snapshot): Discovered {
    const { statuses } = this.service.deps
    return new Map([...backends.keys()].map((id) => [id, statuses.of(id)?.models ?? []]))
  }

  #live(id: string, down: readonly string[]): LiveBackend {
    const status = this.service.deps.statuses.of(id)
    const isUp = (status === undefined || eligible(status.health)) && !down.includes(id)
    return { id, inFlight: 0, eligible: isUp, ewmaMs: 0, ewmaAtMs: 0, samples: 0 }
  }
}

function readRequestId(asked: Readonly<Record<string, unknown>>): string {
  const given = ASKED.find((name) => asked[name] !== undefined)
  if (given !== undefined) throw wrong(given, 'a recorded request has its own; leave it out')
  const { requestId } = asked
  const sane = typeof requestId === 'string' && requestId !== '' && !requestId.includes('\0')
  if (sane && requestId.length <= ID_LENGTH_MAX && requestId.isWellFormed()) return requestId
  throw wrong('requestId', 'expected the x-request-id of an answer')
}

function readRevision(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (Number.isSafeInteger(value) && Number(value) >= 0) return String(value)
  if (typeof value === 'string') return value
  throw wrong('revision', 'expected a revision or an RFC 3339 time')
}

/** How each backend would serve it: the path says in which words it is asked. */
function withOperation(
  explanation: Explanation,
  operation: Operation,
  { backends }: Snapshot,
): object {
  const served = (candidate: Candidate) => {
    const kind = backends.get(candidate.backend)?.spec.kind
    return { ...candidate, served: kind ? servedBy(kind, operation) : null }
  }
  const { picked, candidates } = explanation
  return {
    ...explanation,
    operation: operation.name,
    picked: picked && served(picked),
    candidates: candidates.map(served),
  }
}
