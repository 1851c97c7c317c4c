import { Controller, Inject, Param, Post, Req, Res, type Type } from '@nestjs/common'
import { parseDurationMs } from '@signalbox/host'
import { DEFINITIONS } from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { refused } from './refused.ts'
import { type AdminRequest, readWrite } from './request.ts'
import { readBody } from './resources.controller.ts'
import { respond } from './respond.ts'
import { AdminService } from './service.ts'
import { type Identity } from './tokens.ts'

const OVERLAP_MS_MAX = 30 * 24 * 3_600_000

/** A new token for a key or a principal, shown once; the former one may live on for a while. */
export function rotationController(name: Identity): Type<unknown> {
  @Controller(`admin/v1/${DEFINITIONS[name].plural}`)
  class RotationController {
    readonly service: AdminService

    constructor(@Inject(AdminService) service: AdminService) {
      this.service = service
    }

    @Post(':id/rotate')
    async rotate(
      @Req() request: AdminRequest,
      @Res() reply: FastifyReply,
      @Param('id') id: string,
    ): Promise<void> {
      const { overlap } = request.body === undefined ? {} : readBody(request, ['overlap'])
      const options = readWrite(request)
      const named = { resource: name, id }
      respond(reply, await this.service.rotate(named, readOverlapMs(overlap), options))
    }
  }
  return RotationController
}

function readOverlapMs(value: unknown): number {
  if (value === undefined) return 0
  const ms = typeof value === 'string' ? parseDurationMs(value) : undefined
  if (ms !== undefined && ms <= OVERLAP_MS_MAX) return ms
  const message = 'expected how long the former token is good, up to 720h: "1h"'
  throw refused('validation_failed', 'the rotation is not valid', [{ path: 'overlap', message }])
}
