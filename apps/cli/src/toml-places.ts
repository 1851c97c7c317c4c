type Spot = { readonly line: number; readonly column: number }

const HEADER = /^(\s*)(\[\[?)\s*([^[\]]+?)\s*\]\]?\s*(?:#.*)?$/
const KEY =
  /^(\s*)((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=/
const PART = /[A-Za-z0-9_-]+|"[^"]*"|'[^']*'/g

/**
 * Where the tables and keys of a TOML text stand, line by line. A best effort: of what is inside an
 * inline table or a list, the line of the key that holds it is told.
 */
export function locateInToml(text: string): (path: readonly string[]) => Spot {
  const spots = new Map<string, Spot>()
  const counts = new Map<string, number>()
  let table: readonly string[] = []
  let closing: string | undefined
  text.split('\n').forEach((source, index) => {
    if (closing !== undefined) {
      if (source.includes(closing)) closing = undefined
      return
    }
    const header = HEADER.exec(source)
    const key = header ? null : KEY.exec(source)
    const [, indent = '', opening = ''] = header ?? key ?? []
    const spot = { line: index + 1, column: indent.length + 1 }
    if (header) {
      table = partsOf(header[3] ?? '')
      if (opening === '[[') table = [...table, nextIndex(counts, table)]
      mark(spots, table, spot)
    } else if (key) {
      mark(spots, [...table, ...partsOf(opening)], spot)
      closing = openedBy(source)
    }
  })
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const spot = spots.get(keyOf(path.slice(0, length)))
      if (spot) return spot
    }
    return { line: 1, column: 1 }
  }
}

function partsOf(text: string): readonly string[] {
  return (text.match(PART) ?? []).map((part) => part.replace(/^(["'])(.*)\1$/, '$2'))
}

function nextIndex(counts: Map<string, number>, table: readonly string[]): string {
  const next = counts.get(keyOf(table)) ?? 0
  counts.set(keyOf(table), next + 1)
  return String(next)
}

/** The tables above are there from here on, if they were not before. */
function mark(spots: Map<string, Spot>, path: readonly string[], spot: Spot): void {
  for (let length = 1; length <= path.length; length++) {
    const key = keyOf(path.slice(0, length))
    if (!spots.has(key)) spots.set(key, spot)
  }
}

/** What ends the text of several lines that this line begins, if it does. */
function openedBy(source: string): string | undefined {
  return ['"""', "'''"].find((quotes) => source.split(quotes).length === 2)
}

function keyOf(path: readonly string[]): string {
  return JSON.stringify(path)
}
