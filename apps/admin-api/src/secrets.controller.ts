import { Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common'
import { type FastifyReply } from 'fastify'
import { type AdminRequest, readQuery, readWrite, refuseIfMatch } from './request.ts'
import { readBody } from './resources.controller.ts'
import { respond } from './respond.ts'
import { AdminService } from './service.ts'

/** Which master key what is sealed is under, and how all of it comes under the one of now. */
@Controller('admin/v1/secrets')
export class SecretsController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Get('status')
  async status(@Req() request: AdminRequest) {
    readQuery(request, [])
    return this.service.sealedStatus()
  }

  @Post('rewrap')
  @HttpCode(200)
  async rewrap(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    if (request.body !== undefined) readBody(request, [])
    const options = readWrite(request)
    refuseIfMatch(options)
    respond(reply, await this.service.rewrap(options))
  }
}
