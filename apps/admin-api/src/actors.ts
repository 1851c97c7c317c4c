import { timingSafeEqual } from 'node:crypto'
import { sha256 } from '@signalbox/host'
import { type Actor, type Role, ROLES } from '@signalbox/model'

/**
 * Who a bearer token belongs to: one of the environment's (kept and compared as digests, in
 * constant time), or a principal's (looked up by its digest).
 */
export type FindActor = (authorization: string | undefined) => Actor | undefined

export function createFindActor(
  tokens: Readonly<Partial<Record<Role, string>>>,
  findPrincipal: (token: string) => Actor | undefined,
): FindActor {
  const known = ROLES.flatMap((role) => {
    const token = tokens[role]
    return token === undefined ? [] : [{ actor: { id: role, role }, digest: digestOf(token) }]
  })
  return (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) return undefined
    const digest = digestOf(token)
    // Every one is compared, so that the time tells nothing about which one it was.
    const found = known.filter((one) => timingSafeEqual(one.digest, digest))
    return found[0]?.actor ?? findPrincipal(token)
  }
}

export function reaches(actor: Actor, needed: Role): boolean {
  return ROLES.indexOf(actor.role) >= ROLES.indexOf(needed)
}

function digestOf(token: string): Uint8Array {
  return sha256(Buffer.from(token, 'utf8'))
}
