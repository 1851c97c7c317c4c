import { Controller, Inject, Post, Req, Res } from '@nestjs/common'
import { type Command, type IfMatch } from '@signalbox/control'
import { DEFINITIONS, type FieldProblem, type ResourceName, WRITABLE } from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { refused } from './refused.ts'
import { type AdminRequest, atHead, parseIfMatch, readReasonMember, readWrite } from './request.ts'
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
    const options = { ...atHead(readWrite(request, { reason: said })), several: true } as const
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
  const { op, resource, id, spec, ifMatch, ...rest } = (operation ?? {}) as Record<string, unknown>
  const at = (path: string, message: string) =>
    wrong([{ path: `operations.${index}.${path}`, message }])
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw at(unknown, 'unknown field; expected op, resource, id, spec, ifMatch')
  const name = WRITABLE.find((one) => one === resource || DEFINITIONS[one].plural === resource)
  if (!name) throw at('resource', `expected one of ${WRITABLE.join(', ')}`)
  if (typeof id !== 'string') throw at('id', 'expected text')
  const target = { resource: name, id, ifMatch: readIfMatch(ifMatch, op, at) }
  return commandOf(op, target, spec) ?? unknownOp(at)
}

type At = (path: string, message: string) => Error

/** The revision that the caller saw of this resource: its number, its ETag, or `*`. */
function readIfMatch(value: unknown, op: unknown, at: At): IfMatch {
  if (value === undefined) return null
  if (op === 'create') throw at('ifMatch', 'is not for a create: what it makes has no revision')
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  const ifMatch = typeof value === 'string' ? parseIfMatch(value) : undefined
  if (ifMatch !== undefined) return ifMatch
  throw at('ifMatch', 'expected a revision, an ETag such as "\\"42\\"", or "*"')
}

function unknownOp(at: At): never {
  throw at('op', 'expected create, put, patch or delete')
}

function commandOf(
  op: unknown,
  target: { readonly resource: ResourceName; readonly id: string; readonly ifMatch: IfMatch },
  spec: unknown,
): Command | undefined {
  const { resource, id } = target
  if (op === 'create') return { op, resource, id, spec }
  if (op === 'put') return { op, spec, ...target }
  if (op === 'patch') return { op, patch: spec, ...target }
  if (op === 'delete') return { op, ...target }
  return undefined
}

function wrong(errors: readonly FieldProblem[]) {
  return refused('validation_failed', 'the changes are not valid', errors)
}
