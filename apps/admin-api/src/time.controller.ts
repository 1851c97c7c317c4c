import { Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common'
import { ROLLED_BACK, decideRollback, diff } from '@signalbox/control'
import { DEFINITIONS, type FieldProblem, type Named, WRITABLE } from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { type Decide } from './check.ts'
import { presentChange } from './masking.ts'
import { refused } from './refused.ts'
import {
  type AdminRequest,
  atHead,
  readQuery,
  readReasonMember,
  readWrite,
  refuseIfMatch,
  wrongParameter,
} from './request.ts'
import { readBody } from './resources.controller.ts'
import { respond } from './respond.ts'
import { AdminService, noSuchRevision, presentRevision } from './service.ts'

const NAMED_MAX = 1_000

/** What differs between two revisions, and the way back to one. */
@Controller('admin/v1')
export class TimeController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Get('diff')
  async diff(@Req() request: AdminRequest) {
    const { from, to } = readQuery(request, ['from', 'to'])
    if (from === undefined) throw wrongParameter('from', 'expected a revision or an RFC 3339 time')
    const { before, after } = await this.service.between(from, to)
    return {
      from: before.head.revision,
      to: after.head.revision,
      changes: diff(before, after).map(presentChange),
    }
  }

  /** For a restore that nothing tells of: docs/operations.md. */
  @Post('epochs')
  @HttpCode(200)
  async beginEpoch(@Req() request: AdminRequest) {
    readQuery(request, [])
    const { reason } = readBody(request, ['reason'])
    const options = readWrite(request, { reason: readReasonMember(reason) })
    refuseIfMatch(options)
    if (options.idempotency) throw wrongParameter('idempotency-key', 'is not kept for this call')
    const { store } = this.service.deps
    await store.keepEpoch({ kind: 'asked', intent: options.intent })
    const { epoch, revision } = await store.head()
    return { epoch, revision }
  }

  @Post('rollback')
  async rollback(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    const body = readBody(request, ['toRevision', 'reason', 'resources'])
    const toRevision = readRevision(body['toRevision'])
    const only = readNamed(body['resources'])
    const options = atHead(readWrite(request, { reason: readReasonMember(body['reason']) }))
    const reason = options.intent.reason ?? `roll back to revision ${toRevision}`
    const { revision } = await this.service.deps.store.head()
    if (toRevision > revision) throw noSuchRevision(toRevision)
    const intent = {
      ...options.intent,
      reason,
      source: 'rollback',
      undoesAfter: toRevision,
    } as const
    const back = decideRollback(only)
    const decided: Decide = (now, past) => {
      if (!past) throw new Error('a rollback is decided on what is rolled back')
      return back(now, past)
    }
    const undoes = only ? { named: only } : { kinds: ROLLED_BACK }
    const how = { ...options, intent, undoes }
    respond(reply, await this.service.change(decided, how, presentRevision))
  }
}

function readRevision(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw wrong([{ path: 'toRevision', message: 'expected the number of a revision' }])
}

function readNamed(value: unknown): readonly Named[] | null {
  if (value === undefined) return null
  if (!Array.isArray(value) || value.length < 1 || value.length > NAMED_MAX) {
    throw wrong([{ path: 'resources', message: `expected 1 to ${NAMED_MAX} of {resource, id}` }])
  }
  return value.map((one: unknown, index): Named => {
    const { resource, id } = (one ?? {}) as Readonly<Record<string, unknown>>
    const name = WRITABLE.find((each) => each === resource || DEFINITIONS[each].plural === resource)
    if (name && typeof id === 'string') return { resource: name, id }
    const message = `expected {resource, id}; resource is one of ${WRITABLE.join(', ')}`
    throw wrong([{ path: `resources.${index}`, message }])
  })
}

function wrong(errors: readonly FieldProblem[]) {
  return refused('validation_failed', 'the rollback is not valid', errors)
}
