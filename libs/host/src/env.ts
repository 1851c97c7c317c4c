/**
 * A configuration that must not start. `main` prints it as one line and exits with 78 (EX_CONFIG).
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Thrown by a parser: what was wrong. readVariable adds the variable's name and the shape. */
export type Parse<Value> = (text: string) => Value | undefined

export interface Variable<Value> {
  readonly name: string
  /** What is right, for the error line and docs/configuration.md: "host:port or unix:/path". */
  readonly shape: string
  readonly parse: Parse<Value>
  /** A secret's value is never printed, not even when it is wrong. */
  readonly secret?: boolean
}

export type Env = Readonly<Record<string, string | undefined>>

/** The variable's value; undefined where it is unset. Empty is not unset: it is wrong. */
export function readVariable<Value>(env: Env, variable: Variable<Value>): Value | undefined {
  const text = env[variable.name]
  if (text === undefined) return undefined
  const value = variable.parse(text.trim())
  if (value !== undefined) return value
  const shown = variable.secret ? 'a value of the wrong shape' : JSON.stringify(text)
  throw new ConfigError(`${variable.name} is ${shown}; expected ${variable.shape}`)
}

/** The variable's value; stops the start where it is unset. */
export function requireVariable<Value>(env: Env, variable: Variable<Value>): Value {
  const value = readVariable(env, variable)
  if (value !== undefined) return value
  throw new ConfigError(`${variable.name} is not set; expected ${variable.shape}`)
}

export function wholeNumber({ min, max }: { min: number; max: number }): Parse<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    return value >= min && value <= max ? value : undefined
  }
}

export const nonEmpty: Parse<string> = (text) => (text === '' ? undefined : text)
