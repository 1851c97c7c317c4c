import { timingSafeEqual } from 'node:crypto'
import { sha256 } from '@signalbox/host'
import { type Actor, type Role, ROLES, toHex } from '@signalbox/model'

/**
 * Who a token belongs to, by its digest: one of the environment's (compared in constant time), or
 * a principal's (looked up by the digest, as hex).
 */
export type FindActor = (digest: Uint8Array) => Actor | undefined

export function createFindActor(
  tokens: Readonly<Partial<Record<Role, string>>>,
  findPrincipal: (hash: string) => Actor | undefined,
): FindActor {
  const known = ROLES.flatMap((role) => {
    const token = tokens[role]
    return token === undefined ? [] : [{ actor: { id: role, role }, digest: digestOf(token) }]
  })
  return (digest) => {
    // Every one is compared, so that the time tells nothing about which one it was.
    const found = known.filter((one) => timingSafeEqual(one.digest, digest))
    return found[0]?.actor ?? findPrincipal(toHex(digest))
  }
}

/** The digest of a bearer token. */
export function digestOfBearer(authorization: string | undefined): Uint8Array | undefined {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  return token === undefined ? undefined : digestOf(token)
}

export function reaches(actor: Actor, needed: Role): boolean {
  return ROLES.indexOf(actor.role) >= ROLES.indexOf(needed)
}

function digestOf(token: string): Uint8Array {
  return sha256(Buffer.from(token, 'utf8'))
}
