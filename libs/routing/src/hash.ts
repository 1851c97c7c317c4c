/*
 * Hashes that place requests and backends. All proxies of a fleet have to agree on them, and after
 * an update too: a changed hash moves every session to another backend. FNV-1a (Fowler, Noll, Vo)
 * over the input, then the finaliser of MurmurHash3, as FNV's high bits are poor for short texts.
 */
const OFFSET = 0x811c9dc5
const PRIME = 0x01000193

/** 32 bits, unsigned. By UTF-16 code units: of ASCII the same as of its bytes. */
export function hashText(text: string): number {
  let hash = OFFSET
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME)
  return mixed(hash)
}

/** 32 bits, unsigned, of the bytes from `start` to before `end`; `seed`: a hash to go on from. */
export function hashBytes(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  seed: number = OFFSET,
): number {
  let hash = seed
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), PRIME)
  return mixed(hash)
}

/** Spreads each bit over all 32. */
export function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
