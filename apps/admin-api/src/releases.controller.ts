import { Controller, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { decideRollback, decideStart, ROLLED_BACK, type Starting } from '@signalbox/control'
import {
  type FieldProblem,
  fieldProblems,
  parseId,
  type Release,
  type ReleasePlan,
  releasePlan,
} from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { readOperations } from './changes.controller.ts'
import { type Decide } from './check.ts'
import { presentRelease } from './release-standing.ts'
import { Releases } from './releases.ts'
import { refused } from './refused.ts'
import {
  type AdminRequest,
  readQuery,
  readReasonMember,
  readWrite,
  refuseIfMatch,
  type WriteOptions,
} from './request.ts'
import { readBody } from './resources.controller.ts'
import { respond } from './respond.ts'
import { AdminService, noSuchRevision, type Present } from './service.ts'

/** A revision that only a part of the fleet activates, until it has shown that it does well. */
@Controller('admin/v1/releases')
export class ReleasesController {
  readonly service: AdminService
  readonly releases: Releases

  constructor(@Inject(AdminService) service: AdminService, @Inject(Releases) releases: Releases) {
    this.service = service
    this.releases = releases
  }

  @Get()
  async list(@Req() request: AdminRequest) {
    const { asOf } = readQuery(request, ['asOf'])
    const { releases, head } = await this.service.state(asOf, ['release'])
    const newestFirst = [...releases.values()].toSorted((a, b) => b.spec.base - a.spec.base)
    return { items: newestFirst.map((one) => this.#present(one, asOf)), revision: head.revision }
  }

  @Get(':id')
  async get(@Req() request: AdminRequest, @Param('id') id: string) {
    const { asOf } = readQuery(request, ['asOf'])
    return this.#present(await this.#named(id, asOf), asOf)
  }

  @Post()
  async start(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    const body = readBody(request, ['revision', 'operations', 'reason', 'stages', 'guard'])
    const { revision, operations, reason, stages, guard } = body
    const plan = readPlan({ stages, guard })
    const options = readWrite(request, { reason: readReasonMember(reason) })
    refuseIfMatch(options)
    if ((revision === undefined) === (operations === undefined)) {
      const message = 'expected operations, or the revision whose state is to come back'
      throw wrong([{ path: operations === undefined ? 'operations' : 'revision', message }])
    }
    const around = this.#asRelease(plan, options)
    if (operations !== undefined) {
      const commands = readOperations(operations)
      const how = { ...options, around, several: true } as const
      return respond(reply, await this.service.run(commands, how, presentStarted))
    }
    const toRevision = await this.#revision(revision)
    const intent = { ...options.intent, undoesAfter: toRevision }
    const back = decideRollback(null)
    const decided: Decide = (now, past) => {
      if (!past) throw new Error('a rollback is decided on what is rolled back')
      return back(now, past)
    }
    const how = { ...options, intent, undoes: { kinds: ROLLED_BACK } }
    respond(reply, await this.service.change(around(decided), how, presentStarted))
  }

  @Post(':id/promote')
  @HttpCode(200)
  async promote(
    @Req() request: AdminRequest,
    @Res() reply: FastifyReply,
    @Param('id') id: string,
  ): Promise<void> {
    const { reason, full = false } = readBody(request, ['reason', 'full'])
    if (typeof full !== 'boolean') throw wrong([{ path: 'full', message: 'expected a boolean' }])
    const options = readWrite(request, { reason: readReasonMember(reason) })
    refuseIfMatch(options)
    const why = whyOf(options, 'promoted')
    const how = { ...this.#intentFor(options, why), full }
    respond(reply, await this.releases.advance({ id, stage: null, why }, how))
  }

  @Post(':id/rollback')
  @HttpCode(200)
  async rollback(
    @Req() request: AdminRequest,
    @Res() reply: FastifyReply,
    @Param('id') id: string,
  ): Promise<void> {
    const { reason } = readBody(request, ['reason'])
    const options = readWrite(request, { reason: readReasonMember(reason) })
    refuseIfMatch(options)
    const { spec } = await this.#named(id)
    const why = whyOf(options, 'rolled back')
    const how = this.#intentFor(options, `${id}: ${why}`)
    respond(reply, await this.releases.undo({ id, stage: null, why }, spec.base, how))
  }

  #intentFor(options: WriteOptions, reason: string): WriteOptions {
    return { ...options, intent: { ...options.intent, reason } }
  }

  #asRelease(plan: ReleasePlan, { intent }: WriteOptions): (decided: Decide) => Decide {
    const starting: Starting = {
      plan,
      actor: intent.actor.id,
      reason: intent.reason,
      at: new Date(this.service.deps.clock.nowMs()).toISOString(),
      proxies: this.releases.proxies(),
    }
    return (decided) => (now, past) => {
      const drafts = decided(now, past)
      return drafts.ok ? decideStart(now, drafts.value, starting) : drafts
    }
  }

  async #named(id: string, asOf?: string): Promise<Release> {
    const isOne = parseId('release', id).ok
    const release = isOne ? await this.service.resource('release', id, asOf) : null
    if (!release) throw refused('not_found', `release ${id} does not exist`)
    return release as Release
  }

  async #revision(value: unknown): Promise<number> {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw wrong([{ path: 'revision', message: 'expected the number of a revision' }])
    }
    const { revision } = await this.service.deps.store.head()
    if (value > revision) throw noSuchRevision(value)
    return value
  }

  /** How it does is observed: nobody keeps how it did. */
  #present(release: Release, asOf: string | undefined) {
    return presentRelease(release, asOf === undefined ? this.releases.standing(release) : null)
  }
}

function readPlan(input: { readonly stages: unknown; readonly guard: unknown }): ReleasePlan {
  const parsed = releasePlan.safeParse(input)
  if (parsed.success) return parsed.data
  throw wrong(fieldProblems(parsed.error, ''))
}

/** Who did it, and why where that was said. */
function whyOf({ intent: { actor, reason } }: WriteOptions, what: string): string {
  return reason === null ? `${what} by ${actor.id}` : `${what} by ${actor.id}: ${reason}`
}

const presentStarted: Present = (committed) => {
  const created = committed?.body.events.find(({ type }) => type === 'release.created')
  const release = created && committed?.after.releases.get(created.id)
  if (!release) throw new Error('a release was started without a revision')
  const location = `/admin/v1/releases/${release.id}`
  const body = JSON.stringify(presentRelease(release, null))
  return { status: 201, headers: { location }, body }
}

function wrong(errors: readonly FieldProblem[]) {
  return refused('validation_failed', 'the release is not valid', errors)
}
