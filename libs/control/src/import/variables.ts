import { err, ok, type Result } from '@signalbox/model'
import { type Env } from './document.ts'

/** What a variable holds, or undefined. */
export type Lookup = (name: string) => string | undefined

const WHOLE_PREFIX = 'os.environ/'
const REFERENCE = /\$\{([^}]*)\}/g
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** An empty variable is one that is not set: nobody wants an empty key or address. */
export function lookupIn(env: Env): Lookup {
  return (name) => (Object.hasOwn(env, name) && env[name] !== '' ? env[name] : undefined)
}

/**
 * The text with `${NAME}`, or the whole of it as `os.environ/NAME`, replaced; or what is wrong.
 * What a variable holds is not looked at again, and is in no message.
 */
export function expand(text: string, lookup: Lookup): Result<string, string> {
  if (text.startsWith(WHOLE_PREFIX)) {
    const name = text.slice(WHOLE_PREFIX.length)
    if (!NAME.test(name)) return err('expected the name of a variable after os.environ/')
    const value = lookup(name)
    return value === undefined ? err(notSet([name])) : ok(value)
  }
  const names = [...text.matchAll(REFERENCE)].map((match) => match[1] ?? '')
  if (names.some((name) => !NAME.test(name))) return err('expected the name of a variable in ${}')
  const missing = names.filter((name) => lookup(name) === undefined)
  if (missing.length > 0) return err(notSet([...new Set(missing)]))
  return ok(text.replace(REFERENCE, (_, name: string) => lookup(name) ?? ''))
}

function notSet(names: readonly string[]): string {
  const [verb, noun] = names.length === 1 ? ['is', 'variable'] : ['are', 'variables']
  return `${noun} ${names.join(', ')} ${verb} not set`
}
