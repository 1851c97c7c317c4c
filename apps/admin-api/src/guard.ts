import { type CanActivate, type ExecutionContext } from '@nestjs/common'
import { type Role } from '@signalbox/model'
import { type FindActor, reaches } from './actors.ts'
import { refused } from './refused.ts'
import { type AdminRequest } from './request.ts'

/** Who may: everybody with a token reads, an operator writes. */
export class TokenGuard implements CanActivate {
  readonly #findActor: FindActor

  constructor(findActor: FindActor) {
    this.#findActor = findActor
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<AdminRequest>()
    const actor = this.#findActor(request.headers.authorization)
    if (!actor) throw refused('unauthenticated', 'no token, or one that is not known')
    const needed: Role =
      request.method === 'GET' || request.method === 'HEAD' ? 'viewer' : 'operator'
    if (!reaches(actor, needed)) {
      throw refused('forbidden', `the role ${actor.role} may not do this; it needs ${needed}`)
    }
    request.actor = actor
    return true
  }
}
