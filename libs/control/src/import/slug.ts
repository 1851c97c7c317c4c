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

/** The id, or with the first number behind it (from 2) that nobody has. */
export function freeId(id: string, taken: { has(id: string): boolean }): string {
  if (!taken.has(id)) return id
  let number = 2
  while (taken.has(`${id}-${number}`)) number++
  return `${id}-${number}`
}
