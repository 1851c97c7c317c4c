import { plain } from './paint.ts'

/** What the exit code says; docs/cli.md has this table. */
export const EXIT = {
  ok: 0,
  /** It failed, or what was looked at has problems. */
  failed: 1,
  usage: 2,
  /** The server refused (4xx). */
  refused: 3,
  /** The server could not be reached, or failed (5xx). */
  unreachable: 4,
  interrupted: 130,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export interface Problem {
  readonly path: string
  readonly message: string
  /** Where in which file, for what was read from one. */
  readonly file?: string
  readonly line?: number
  readonly column?: number
}

export interface FailureFacts {
  readonly exitCode: ExitCode
  /** Stable, as in docs/errors.md, where a server said it. */
  readonly code?: string
  readonly detail: string
  readonly remedy?: string
  readonly errors?: readonly Problem[]
}

/** Ends the command: one line, then a line for each problem. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly facts: FailureFacts

  constructor(facts: FailureFacts) {
    super(facts.detail)
    this.facts = facts
  }
}

export function usage(detail: string, remedy = 'See `signalbox --help`.'): Failure {
  return new Failure({ exitCode: EXIT.usage, code: 'usage', detail, remedy })
}

export function failed(detail: string, more: Partial<FailureFacts> = {}): Failure {
  return new Failure({ exitCode: EXIT.failed, detail, ...more })
}

/** `signalbox: code: detail. Remedy.` and the problems below it. */
export function renderFailure({ code, detail, remedy, errors = [] }: FailureFacts): string {
  const head = ['signalbox', ...(code ? [code] : []), detail].join(': ')
  const first = remedy ? `${head.replace(/\.$/, '')}. ${remedy}` : head
  return `${[first, ...errors.map(problemLine)].map(plain).join('\n')}\n`
}

/** `file:line:column: path: message`, as editors read it. */
function problemLine({ path, message, file, line, column }: Problem): string {
  const said = path === '' ? message : `${path}: ${message}`
  return file === undefined ? `  ${said}` : `${file}:${line}:${column}: ${said}`
}
