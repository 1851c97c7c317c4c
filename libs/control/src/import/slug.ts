/** Ids have up to 63 characters; the rest is for a number behind. */
const LENGTH_MAX = 56

/** Lower-case letters, digits and single dashes, as an id; `fallback` where nothing is left. */
export function slug(text: string, fallback: string): string {
  const dashed = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LENGTH_MAX)
    .replace(/^-|-$/g, '')
  return dashed === '' ? fallback : dashed
}

/** Gives each wanted id, or with the first number behind it (from 2) that nobody has. */
export function idSource(taken: readonly string[] = []): (wanted: string) => string {
  const given = new Set(taken)
  const numbers = new Map<string, number>()
  return (wanted) => {
    let id = wanted
    let number = numbers.get(wanted) ?? 2
    while (given.has(id)) id = `${wanted}-${number++}`
    numbers.set(wanted, number)
    given.add(id)
    return id
  }
}
