import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common'
import { type FieldProblem, type Snapshot } from '@signalbox/model'
import {
  compile,
  type Discovered,
  eligible,
  explain,
  hashText,
  type LiveBackend,
} from '@signalbox/routing'
import { explainElsewhere, explainRequest, type Under } from './explain-request.ts'
import { refused } from './refused.ts'
import { type AdminRequest, readQuery } from './request.ts'
import { readBody } from './resources.controller.ts'
import { AdminService } from './service.ts'

const MODEL_LENGTH_MAX = 255
const DOWN_MAX = 1_000
/** Clients may repeat an id: the newest is explained, and how many there are is said. */
const MATCHES_MAX = 100
const HASHED_LENGTH_MAX = 8_192

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
    const asked = readBody(request, ['model', 'revision', 'down', 'requestId', 'hashOf', 'place'])
    if (asked['requestId'] !== undefined) return this.#recorded(asked)
    const model = readModel(asked['model'])
    const down = readDown(asked['down'])
    // Who asks is nobody's business here: no key is looked at.
    const { snapshot, discovered } = await this.#under(model, readRevision(asked['revision']))
    const { table } = compile(snapshot, discovered)
    const live = table.backends.map(({ id }) => this.#live(id, down))
    // A proxy knows its own load and latencies; here all are idle and none was measured.
    const { hash, place } = readInputs(asked)
    const context = { live, nowMs: 0, random: () => 0, tried: [], hash, place }
    return explain(model, { snapshot, table, discovered, context })
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
    const then = await this.#under(
      kept.model ?? '',
      revision === null ? undefined : String(revision),
    )
    const explained = { ...explainRequest(kept, then), matches: found.length }
    if (other === undefined) return explained
    const under = await this.#under(kept.model ?? '', other)
    return { ...explained, elsewhere: explainElsewhere(kept, then, under) }
  }

  async #under(model: string, revision: string | undefined): Promise<Under> {
    const snapshot = await this.service.concerning({ models: [model] }, revision)
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
  const given = ['model', 'down', 'hashOf', 'place'].find((name) => asked[name] !== undefined)
  if (given !== undefined) {
    throw wrong([{ path: given, message: 'a recorded request has its own; leave it out' }])
  }
  const { requestId } = asked
  const sane = typeof requestId === 'string' && requestId !== '' && !requestId.includes('\0')
  if (sane && requestId.length <= MODEL_LENGTH_MAX && requestId.isWellFormed()) return requestId
  throw wrong([{ path: 'requestId', message: 'expected the x-request-id of an answer' }])
}

function readModel(value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= MODEL_LENGTH_MAX) return value
  throw wrong([{ path: 'model', message: 'expected the name of a model' }])
}

function readRevision(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (Number.isSafeInteger(value) && Number(value) >= 0) return String(value)
  if (typeof value === 'string') return value
  throw wrong([{ path: 'revision', message: 'expected a revision or an RFC 3339 time' }])
}

function readDown(value: unknown): readonly string[] {
  if (value === undefined) return []
  const isList = Array.isArray(value) && value.length <= DOWN_MAX
  if (isList && value.every((id) => typeof id === 'string')) return value
  throw wrong([{ path: 'down', message: 'expected ids of backends to be taken as down' }])
}

/** What the request has that the policy hashes, and the labels of the proxy that it comes to. */
function readInputs({ hashOf, place = {} }: Record<string, unknown>) {
  const isText = typeof hashOf === 'string' && hashOf.length <= HASHED_LENGTH_MAX
  if (hashOf !== undefined && !isText) {
    throw wrong([{ path: 'hashOf', message: 'expected the text that the policy hashes' }])
  }
  const labels = labelsOf(place)
  if (!labels) throw wrong([{ path: 'place', message: 'expected the labels of a proxy' }])
  return { hash: isText ? hashText(hashOf) : undefined, place: labels }
}

function labelsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  return entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')
    ? Object.fromEntries(entries)
    : undefined
}

function wrong(errors: readonly FieldProblem[]) {
  return refused('validation_failed', 'what is asked for is not valid', errors)
}
