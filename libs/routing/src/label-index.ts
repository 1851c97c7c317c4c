import { type CompiledBackend } from './table.ts'

/** Finds the backends whose labels contain all of the given ones. */
export type FindByLabels = (labels: Readonly<Record<string, string>>) => readonly CompiledBackend[]

/** Indexes the backends by label when the first route asks. */
export function labelIndex(backends: readonly CompiledBackend[]): FindByLabels {
  let index: Map<string, CompiledBackend[]> | undefined
  return (labels) => {
    const wanted = Object.entries(labels)
    if (wanted.length === 0) return backends
    index ??= buildIndex(backends)
    let shortest: readonly CompiledBackend[] = backends
    for (const [name, value] of wanted) {
      const having = index.get(indexKey(name, value)) ?? []
      if (having.length < shortest.length) shortest = having
    }
    return shortest.filter((backend) =>
      wanted.every(
        ([name, value]) =>
          Object.hasOwn(backend.spec.labels, name) && backend.spec.labels[name] === value,
      ),
    )
  }
}

function buildIndex(backends: readonly CompiledBackend[]): Map<string, CompiledBackend[]> {
  const index = new Map<string, CompiledBackend[]>()
  for (const backend of backends) {
    for (const [name, value] of Object.entries(backend.spec.labels)) {
      const key = indexKey(name, value)
      const having = index.get(key)
      if (having) having.push(backend)
      else index.set(key, [backend])
    }
  }
  return index
}

/** A label's name has no `=`, so no two labels share a key. */
function indexKey(name: string, value: string): string {
  return `${name}=${value}`
}
