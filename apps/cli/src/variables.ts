import { type Env } from '@signalbox/host'

export interface Substituted {
  readonly value: unknown
  readonly problems: readonly { readonly path: readonly string[]; readonly message: string }[]
}

/** `$${` is a `${` that stays; `${` with anything else behind it is looked at. */
const PLACE = /\$\$\{|\$\{([^}]*)(\}?)/g
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/

/**
 * Replaces `${NAME}` and `${NAME:-default}` in every string value, never in keys. As in a shell
 * the default also stands for a variable that is empty. No message holds a value.
 */
export function substitute(value: unknown, env: Env): Substituted {
  const problems: { path: readonly string[]; message: string }[] = []
  const inText = (text: string, path: readonly string[]) =>
    text.replace(PLACE, (whole, inside: string | undefined, end: string | undefined) => {
      if (inside === undefined) return '${'
      const [, name, otherwise] = (end === '}' && INSIDE.exec(inside)) || []
      if (name === undefined) {
        problems.push({ path, message: 'expected ${NAME} or ${NAME:-default}; $${ stays as ${' })
        return whole
      }
      const found = env[name]
      if (found !== undefined && (found !== '' || otherwise === undefined)) return found
      if (otherwise !== undefined) return otherwise
      problems.push({ path, message: `the variable ${name} is not set` })
      return whole
    })
  const visit = (one: unknown, path: readonly string[]): unknown => {
    if (typeof one === 'string') return inText(one, path)
    if (Array.isArray(one)) return one.map((item, index) => visit(item, [...path, String(index)]))
    if (typeof one !== 'object' || one === null) return one
    const entries = Object.entries(one)
    return Object.fromEntries(entries.map(([name, inner]) => [name, visit(inner, [...path, name])]))
  }
  return { value: visit(value, []), problems }
}
