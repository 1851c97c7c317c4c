import { Controller, Inject, Post, Req, Res } from '@nestjs/common'
import { type Command } from '@signalbox/control'
import { DEFINITIONS, type FieldProblem, type ResourceName, WRITABLE } from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { refused } from './refused.ts'
import { type AdminRequest, readReasonMember, readWrite, refuseIfMatch } from './request.ts'
import { readBody } from './resources.controller.ts'
import { respond } from './respond.ts'
import { AdminService, presentRevision } from './service.ts'

const OPERATIONS_MAX = 1_000

/** Several changes, one revision, all or nothing. */
@Controller('admin/v1/changes')
export class ChangesController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Post()
  async change(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    const { reason, operations } = readBody(request, ['reason', 'operations'])
    const commands = readOperations(operations)
    const said = readReasonMember(reason)
    const options = { ...readWrite(request, { reason: said }), several: true } as const
    refuseIfMatch(options)
    respond(reply, await this.service.run(commands, options, presentRevision))
  }
}

export function readOperations(operations: unknown): readonly Command[] {
  if (!Array.isArray(operations) || operations.length < 1 || operations.length > OPERATIONS_MAX) {
    throw wrong([{ path: 'operations', message: `expected 1 to ${OPERATIONS_MAX} operations` }])
  }
  return operations.map(readOperation)
}

function readOperation(operation: unknown, index: number): Command {
  const { op, resource, id, spec, ...rest } = (operation ?? {}) as Record<string, unknown>
  const at = (path: string, message: string) =>
    wrong([{ path: `operations.${index}.${path}`, message }])
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw at(unknown, 'unknown field; expected op, resource, id, spec')
  const name = WRITABLE.find((one) => one === resource || DEFINITIONS[one].plural === resource)
  if (!name) throw at('resource', `expected one of ${WRITABLE.join(', ')}`)
  if (typeof id !== 'string') throw at('id', 'expected text')
  return commandOf(op, { resource: name, id, spec }) ?? unknownOp(at)
}

function unknownOp(at: (path: string, message: string) => Error): never {
  throw at('op', 'expected create, put, patch or delete')
}

function commandOf(
  op: unknown,
  { resource, id, spec }: { resource: ResourceName; id: string; spec: unknown },
): Command | undefined {
  if (op === 'create') return { op, resource, id, spec }
  if (op === 'put') return { op, resource, id, spec, ifMatch: null }
  if (op === 'patch') return { op, resource, id, patch: spec, ifMatch: null }
  if (op === 'delete') return { op, resource, id, ifMatch: null }
  return undefined
}

function wrong(errors: readonly FieldProblem[]) {
  return refused('validation_failed', 'the changes are not valid', errors)
}
