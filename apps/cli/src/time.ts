import { parseDurationMs } from '@signalbox/host'
import { type Changed, type Page, type Revision } from './answers.ts'
import { renderChange, reportChanged } from './changes.ts'
import { type Context } from './context.ts'
import { type ExitCode, usage } from './failure.ts'
import { parseKind, parseNamed, pathOf } from './kinds.ts'
import { plain } from './paint.ts'
import { table } from './table.ts'

const PAGE_MAX = 200
export const LOG_LIMIT = 20
const LOG_LIMIT_MAX = 100_000
const CHANGES_SHOWN = 3
const DAY = /^(\d{1,4})d$/
const DAY_MS = 86_400_000

export interface LogOptions {
  readonly actor?: string
  readonly resource?: string
  readonly id?: string
  readonly since?: string
  readonly limit?: string
}

/** The newest revisions: who changed what, when and why. */
export async function log(context: Context, options: LogOptions): Promise<void> {
  const { actor, resource, id, since } = options
  const limit = readLimit(options.limit)
  const from = since === undefined ? undefined : sinceOf(since, Date.now())
  const kind = resource === undefined ? undefined : parseKind(resource)
  const client = await context.client()
  const items: Revision[] = []
  let cursor: string | undefined
  while (items.length < limit) {
    const page = await client.get<Page<Revision>>('revisions', {
      ...{ actor, resource: kind, id, from, cursor },
      limit: Math.min(PAGE_MAX, limit - items.length),
    })
    items.push(...page.items)
    if (page.nextCursor === null) break
    cursor = page.nextCursor
  }
  if (context.json) return context.printJson({ items })
  const head = ['REVISION', 'AT', 'ACTOR', 'SOURCE', 'CHANGES', 'REASON']
  const rows = items.map((one) => [
    ...[one.revision, one.at, one.actor, one.source, summaryOf(one), one.reason],
  ])
  await context.print(table(head, rows))
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return LOG_LIMIT
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
  if (value >= 1 && value <= LOG_LIMIT_MAX) return value
  throw usage('the limit is wrong', `Expected a number from 1 to ${LOG_LIMIT_MAX}.`)
}

/** A time as it is; `90m`, `24h`, `7d` as the time that was so long ago. */
export function sinceOf(text: string, nowMs: number): string {
  const days = DAY.exec(text)?.[1]
  const ago = days === undefined ? parseDurationMs(text) : Number(days) * DAY_MS
  if (ago !== undefined && /\D$/.test(text)) return new Date(nowMs - ago).toISOString()
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return text
  throw usage('--since is wrong', 'Expected an RFC 3339 time, or something like 30m, 24h, 7d.')
}

function summaryOf({ changes }: Revision): string {
  const signs = { created: '+', updated: '~', deleted: '-' } as const
  const shown = changes.slice(0, CHANGES_SHOWN)
  const names = shown.map(({ op, resource, id }) => `${signs[op]}${resource}/${id}`)
  const more = changes.length - shown.length
  return [...names, ...(more > 0 ? [`and ${more} more`] : [])].join(' ')
}

/** One revision with all it changed. */
export async function showRevision(context: Context, revision: string): Promise<void> {
  const number = readRevision(revision)
  const one = await (await context.client()).get<Revision>(`revisions/${number}`)
  if (context.json) return context.printJson(one)
  const { undoes, address, changeRef, reason } = one
  const lines = [
    context.paint('bold', `revision ${one.revision}`),
    `at        ${one.at}`,
    `actor     ${one.actor} (${one.role}, by ${one.source}${address ? `, from ${address}` : ''})`,
    `reason    ${reason ?? '-'}`,
    ...(changeRef ? [`change    ${changeRef}`] : []),
    ...(undoes ? [`undoes    what came after ${undoes.after}, up to ${undoes.through}`] : []),
    `request   ${one.requestId}`,
    `hash      ${one.hash}`,
    `previous  ${one.previousHash}`,
  ]
  await context.print(lines.map(plainButColour).join('\n'))
  for (const change of one.changes) await context.print(renderChange(change, context.paint))
}

/** The first line is ours and may be coloured; the rest is what people wrote. */
function plainButColour(line: string, index: number): string {
  return index === 0 ? line : plain(line)
}

export function readRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usage(`${JSON.stringify(text)} is no revision`, 'Expected a number; `signalbox log` lists.')
}

export interface WriteFlags {
  readonly dryRun?: boolean
  readonly wait?: string
  readonly reason?: string
}

/** Makes the state what it was after a revision: all of it, or the named resources alone. */
export async function rollback(
  context: Context,
  revision: string,
  { only, dryRun, wait, reason }: WriteFlags & { readonly only?: readonly string[] },
): Promise<ExitCode> {
  const toRevision = readRevision(revision)
  const resources = only?.map(parseNamed)
  const changed = await (
    await context.client()
  ).write<Changed>('POST', 'rollback', {
    query: { dryRun, wait: dryRun ? undefined : wait },
    body: { toRevision, ...(resources ? { resources } : {}) },
    reason: reason ?? `signalbox rollback ${[revision, ...(only ?? [])].join(' ')}`,
  })
  return reportChanged(context, changed)
}

/** Deletes one resource. */
export async function remove(
  context: Context,
  { kind, id }: { readonly kind: string; readonly id: string },
  { dryRun, wait, reason, cascade }: WriteFlags & { readonly cascade?: boolean },
): Promise<ExitCode> {
  const named = { resource: parseKind(kind), id }
  const client = await context.client()
  const { text, headers } = await client.send('DELETE', pathOf(named), {
    query: { cascade, dryRun, wait: dryRun ? undefined : wait },
    reason: reason ?? `signalbox delete ${kind} ${id}`,
  })
  // A deletion answers with no body; what it did is known all the same.
  const changes = [{ ...named, op: 'deleted', before: null, after: null } as const]
  const revision = Number(headers.get('x-signalbox-revision'))
  const answer = (text === '' ? {} : JSON.parse(text)) as Partial<Changed>
  return reportChanged(context, { revision, changes, ...answer })
}
