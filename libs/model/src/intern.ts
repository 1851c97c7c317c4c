import { type Resource } from './resource.ts'

/** Different values that are remembered at most. */
const KNOWN_MAX = 10_000

type Parts = Record<string, unknown>

/**
 * Makes resources share what they have in common: the limits, labels or times of a hundred thousand
 * backends are few, and parsed each has its own. Keep one while a snapshot is read.
 */
export function internSpecs(): (resource: Resource) => Resource {
  const known = new Map<string, unknown>()
  const lastByName = new Map<string, unknown>()
  const share = (name: string, value: unknown): unknown => {
    const last = lastByName.get(name)
    if (typeof value === 'string') {
      if (last === value) return last
    } else if (isFlatSame(last, value)) return last
    const shared = remember(known, value)
    lastByName.set(name, shared)
    return shared
  }
  return (resource) => {
    if (!isObject(resource) || !isObject(resource.spec)) return resource
    const spec: Parts = { ...(resource.spec as Parts) }
    for (const [name, value] of Object.entries(spec)) {
      if (typeof value === 'object' && value !== null) spec[name] = share(name, value)
    }
    const createdAt = share('createdAt', resource.createdAt) as string
    const updatedAt = share('updatedAt', resource.updatedAt) as string
    return { ...resource, createdAt, updatedAt, spec: spec as unknown as Resource['spec'] }
  }
}

function remember(known: Map<string, unknown>, value: unknown): unknown {
  const text = JSON.stringify(value)
  const before = known.get(text)
  if (before !== undefined) return before
  if (known.size < KNOWN_MAX) known.set(text, value)
  return value
}

/** Whether two objects have the same members in the same order, and no objects in them. */
function isFlatSame(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return false
  }
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [names, others] = [Object.keys(one), Object.keys(other)]
  return (
    names.length === others.length &&
    names.every((name, index) => {
      const value = (one as Parts)[name]
      return name === others[index] && value === (other as Parts)[name] && !isObject(value)
    })
  )
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
