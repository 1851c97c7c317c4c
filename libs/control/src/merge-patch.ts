/**
 * No spec nests deeper than this. What lies below is handed on as it is, for the parser to refuse.
 */
export const PATCH_DEPTH_MAX = 32

/**
 * JSON merge patch (RFC 7396): members replace, `null` removes, objects merge, anything else
 * replaces the whole. Changes neither argument. Members named `__proto__` stay plain data.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  return merge(target, patch, 0)
}

function merge(target: unknown, patch: unknown, depth: number): unknown {
  if (!isObject(patch) || depth > PATCH_DEPTH_MAX) return patch
  const members = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) members.delete(key)
    else members.set(key, merge(members.get(key), value, depth + 1))
  }
  return Object.fromEntries(members)
}

/** A JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
