import { hashText, mixed } from './hash.ts'
import { type CompiledTarget } from './table.ts'

/*
 * Consistent hashing (Karger et al. 1997): every target has many points on a circle of 32 bits, and
 * a key belongs to the target of the first point behind its own hash. Points depend on the target
 * alone, so when one of N leaves only its keys move, and they spread over all others.
 *
 * A target's points are in proportion to its weight. POINTS of them keep the shares within some
 * 12 % (1 / sqrt(64)); what is left of the unevenness is the business of the bound on loads.
 */
const POINTS = 64
/** Many targets even each other's load out, and a ring of all their points is slow to make. */
const MANY = 4_096
const POINTS_OF_MANY = 8
/** The heaviest has at most so many times the points of the lightest. */
const RATIO_MAX = 16
const STEP = 0x9e3779b9
/** A hash and an index together are exact in a double. */
const INDEX_SPAN = 2 ** 21

export interface Ring {
  /** Ascending. */
  readonly hashes: Uint32Array
  /** Whose point it is: an index in the tier's targets. */
  readonly owners: Uint32Array
}

export function openRing(targets: readonly CompiledTarget[]): Ring {
  const unit = unitOf(targets)
  const each = targets.length > MANY ? POINTS_OF_MANY : POINTS
  const counts = targets.map(({ weight }) =>
    weight > 0 ? Math.max(1, Math.round((each * weight) / unit)) : 0,
  )
  const points = new Float64Array(counts.reduce((sum, count) => sum + count, 0))
  let at = 0
  for (const [index, { backend, model }] of targets.entries()) {
    const own = hashText(`${backend.id}\n${model}`)
    for (let n = 1; n <= (counts[index] ?? 0); n++) {
      points[at++] = mixed(own + Math.imul(n, STEP)) * INDEX_SPAN + index
    }
  }
  points.sort()
  return {
    hashes: Uint32Array.from(points, (point) => Math.floor(point / INDEX_SPAN)),
    owners: Uint32Array.from(points, (point) => point % INDEX_SPAN),
  }
}

/** The weight that has `each` points: the smallest, unless the largest is far above it. */
function unitOf(targets: readonly CompiledTarget[]): number {
  let least = Infinity
  let most = 0
  for (const { weight } of targets) {
    if (weight > 0 && weight < least) least = weight
    if (weight > most) most = weight
  }
  return Math.max(least, most / RATIO_MAX)
}

/** The first point at the hash or behind it. */
export function pointAt({ hashes }: Ring, hash: number): number {
  let low = 0
  let high = hashes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((hashes[middle] ?? 0) < hash) low = middle + 1
    else high = middle
  }
  return low === hashes.length ? 0 : low
}
