import { Controller, Delete, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common'
import { type FastifyReply } from 'fastify'
import { digestOfBearer } from './actors.ts'
import { refused } from './refused.ts'
import { type AdminRequest, readQuery } from './request.ts'
import { readBody } from './resources.controller.ts'
import { sessionCookie, Sessions } from './sessions.ts'

/** The console signs in with a token, once; from then on its cookie speaks for it. */
@Controller('admin/v1/session')
export class SessionController {
  readonly sessions: Sessions

  constructor(@Inject(Sessions) sessions: Sessions) {
    this.sessions = sessions
  }

  /** By the token alone: a session cannot prolong itself. */
  @Post()
  @HttpCode(200)
  begin(@Req() request: AdminRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    readQuery(request, [])
    if (request.body !== undefined) readBody(request, [])
    const digest = digestOfBearer(request.headers.authorization)
    if (!digest) throw refused('unauthenticated', 'a session begins with a token')
    const { value, endsMs } = this.sessions.begin(digest)
    void reply.header('set-cookie', sessionCookie(value, isSecure(request)))
    return present(request, endsMs)
  }

  @Get()
  session(@Req() request: AdminRequest) {
    readQuery(request, [])
    return present(request, request.sessionEndsMs)
  }

  @Delete()
  @HttpCode(204)
  end(@Req() request: AdminRequest, @Res({ passthrough: true }) reply: FastifyReply): void {
    readQuery(request, [])
    void reply.header('set-cookie', sessionCookie('', isSecure(request)))
  }
}

function present({ actor }: AdminRequest, endsMs: number | undefined) {
  const expiresAt = endsMs === undefined ? null : new Date(endsMs).toISOString()
  return { actor: actor?.id ?? null, role: actor?.role ?? null, expiresAt }
}

/** What a proxy in front says of TLS; who lies about it harms their own cookie alone. */
function isSecure({ headers }: AdminRequest): boolean {
  return headers['x-forwarded-proto'] === 'https'
}
