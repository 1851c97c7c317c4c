import { hashText } from './hash.ts'

/*
 * Which probes look at which backend: rendezvous hashing (Thaler, Ravishankar 1998). For each
 * backend every member has a number of its own, and the `observersMax` highest look at it. All
 * members work out the same from the same list of members, without a word between them; when one
 * leaves, only what it had moves, and it spreads over all the others.
 */
export interface Share {
  readonly self: string
  /** All members; whether `self` is among them does not matter. */
  readonly members: readonly string[]
  /** How many look at each backend; all where there are no more. */
  readonly observersMax: number
}

/** Whether `self` looks at the backend. */
export function isInShare(backend: string, { self, members, observersMax }: Share): boolean {
  const own = rankOf(self, backend)
  let ahead = 0
  for (const member of members) {
    if (member === self) continue
    const rank = rankOf(member, backend)
    if (rank > own || (rank === own && member > self)) ahead++
    if (ahead >= observersMax) return false
  }
  return true
}

function rankOf(member: string, backend: string): number {
  return hashText(`${member}\n${backend}`)
}
