import { type Change, type Changed, type Convergence, type PatchOperation } from './answers.ts'
import { type Context } from './context.ts'
import { EXIT, type ExitCode } from './failure.ts'
import { type Paint, plain } from './paint.ts'

const SIGNS = { created: '+', updated: '~', deleted: '-' } as const
const COLOURS = { '+': 'green', '~': 'yellow', '-': 'red' } as const

/** `~ backend b1` and below it what of it is another: `~ weight: 1 -> 3`. */
export function renderChange(change: Change, paint: Paint): string {
  const { resource, id, op, before, after, patch } = change
  const sign = SIGNS[op]
  const head = paint(COLOURS[sign], `${sign} ${resource} ${plain(id)}`)
  const lines =
    op === 'updated' ? (patch ?? []).map((one) => operationLine(one, before)) : leaves(after ?? {})
  const marked = (line: string) => (op === 'created' ? `+ ${line}` : line)
  return [head, ...lines.map((line) => `    ${plain(marked(line))}`)].join('\n')
}

export function renderChanges(changes: readonly Change[], paint: Paint): string {
  return changes.map((change) => `${renderChange(change, paint)}\n`).join('')
}

function operationLine({ op, path, value }: PatchOperation, before: unknown): string {
  const names = path
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  const at = names.join('.')
  if (op === 'remove') return `- ${at}: ${shown(valueAt(before, names))}`
  if (op === 'add') return `+ ${at}: ${shown(value)}`
  return `~ ${at}: ${shown(valueAt(before, names))} -> ${shown(value)}`
}

function valueAt(root: unknown, names: readonly string[]): unknown {
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown>)?.[name], root)
}

/** Each value that holds no other, on its own line. */
function leaves(value: unknown, above = ''): readonly string[] {
  const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value)
  const entries = isBranch ? Object.entries(value) : []
  if (entries.length === 0) return above === '' ? [] : [`${above}: ${shown(value)}`]
  return entries.flatMap(([name, inner]) => leaves(inner, above === '' ? name : `${above}.${name}`))
}

function shown(value: unknown): string {
  return value === undefined ? '-' : JSON.stringify(value)
}

/** What a write did, or would do; the exit code says whether the proxies have it. */
export async function reportChanged(context: Context, changed: Changed): Promise<ExitCode> {
  const { revision, changes = [], convergence, dryRun } = changed
  const code = convergence && !everybody(convergence) ? EXIT.failed : EXIT.ok
  if (context.json) {
    await context.printJson(changed)
    return code
  }
  // Of what it made, an apply says the name; what is in it was just read, and a dry run shows it.
  const shown = dryRun ? changes : changes.map((one) => (one.op === 'created' ? bare(one) : one))
  if (shown.length > 0) await context.print(renderChanges(shown, context.paint))
  const count = `${changes.length} ${changes.length === 1 ? 'change' : 'changes'}`
  if (changes.length === 0) await context.print(`nothing to change at revision ${revision}`)
  else if (dryRun) await context.print(`dry run: ${count} to revision ${revision}, nothing written`)
  else await context.print(`revision ${revision}: ${count}`)
  if (convergence) await context.print(renderConvergence(convergence))
  return code
}

function bare(change: Change): Change {
  return { ...change, after: null }
}

function everybody({ acked, pending, nacked }: Convergence): boolean {
  return acked > 0 && pending === 0 && nacked === 0
}

export function renderConvergence({
  acked,
  pending,
  nacked,
  elapsedMs,
  laggards,
}: Convergence): string {
  const none = acked + pending + nacked === 0 ? ', no proxy is live' : ''
  const head = `proxies: ${acked} applied, ${pending} pending, ${nacked} refused${none}`
  const lines = laggards.map(({ id, reason }) => `  ${plain(id)}: ${plain(reason)}`)
  return [`${head} (${elapsedMs} ms)`, ...lines].join('\n')
}
