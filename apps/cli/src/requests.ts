import { type Change } from './answers.ts'
import { readDocuments } from './apply.ts'
import { renderChanges } from './changes.ts'
import { type Context } from './context.ts'
import { type Candidate } from './explain.ts'
import { EXIT, type ExitCode } from './failure.ts'
import { plain } from './paint.ts'
import { table } from './table.ts'
import { sinceOf } from './time.ts'

interface Recorded {
  readonly requestId: string
  readonly at: string
  readonly proxy: string
  readonly key: string | null
  readonly model: string | null
  readonly route: string | null
  readonly backend: string | null
  readonly status: number
  readonly code: string | null
  readonly durationMs: number
  readonly attempts: readonly unknown[]
}

interface ExplainedRequest {
  readonly request: Recorded
  readonly revision: number
  readonly replayed: boolean
  readonly why: string | null
  readonly matches: number
  readonly attempts: readonly {
    readonly backend: string | null
    readonly outcome: string
    readonly ms: number
    readonly replayed: boolean
    readonly why: string | null
    readonly route: { readonly id: string; readonly found: string } | null
    readonly candidates: readonly Candidate[]
  }[]
  readonly elsewhere?: {
    readonly revision: number
    readonly outcome: string
    readonly picked: Candidate | null
  }
}

/** What became of one request and why, as it was decided then. Exits with 1 where it failed. */
export async function explainRequest(
  context: Context,
  requestId: string,
  asOf: string | undefined,
): Promise<ExitCode> {
  const revision = asOf !== undefined && /^\d{1,15}$/.test(asOf) ? Number(asOf) : asOf
  const client = await context.client()
  const found = await client.ask<ExplainedRequest>('explain', { requestId, revision })
  if (context.json) await context.printJson(found)
  else await context.print(renderExplained(found))
  return found.request.code === null && found.request.status < 400 ? EXIT.ok : EXIT.failed
}

function renderExplained(found: ExplainedRequest): string {
  const { request, revision, replayed, why, matches, attempts, elsewhere } = found
  const { requestId, at, proxy, model, status, code, durationMs } = request
  const exact = replayed ? 'decided again exactly' : `not exact: ${why}`
  const lines = [
    `${requestId} for ${model ?? '-'} at ${at} by ${proxy}: ${status}${code ? ` ${code}` : ''}`,
    `${rounded(durationMs)} ms, at revision ${revision}, ${exact}`,
    ...(matches > 1 ? [`the newest of ${matches} requests of this id`] : []),
  ]
  const tries = attempts.map((attempt, n) => {
    const { backend, outcome, ms, route, candidates } = attempt
    const rows = candidates.map((one) => [one.tier, one.backend, one.model, one.weight, one.reason])
    const under = route?.found === 'fallback' ? ` under the fallback ${route.id}` : ''
    const end = `${backend ?? 'nobody'}, ${outcome} after ${rounded(ms)} ms`
    const head = `attempt ${n + 1}${under}: ${end}`
    return `\n${head}\n${table(['TIER', 'BACKEND', 'MODEL', 'WEIGHT', 'WHY'], rows)}`
  })
  const end = elsewhere?.picked ? `goes to ${elsewhere.picked.backend}` : elsewhere?.outcome
  const other = elsewhere ? [`\nat revision ${elsewhere.revision} it ${end ?? '-'}\n`] : []
  // Names in it are a client's: a terminal must not obey them.
  return [`${lines.map(plain).join('\n')}\n`, ...tries, ...other].join('').trimEnd()
}

function rounded(ms: number): string {
  return ms.toFixed(1)
}

interface Planned {
  readonly revision: number
  readonly changes: readonly Change[]
  readonly requests: {
    readonly looked: number
    readonly since: string | null
    readonly elsewhere: number
    readonly perhaps: number
    readonly groups: readonly {
      readonly route: string
      readonly reason: string
      readonly why: string
      readonly certain: boolean
      readonly requests: number
      readonly examples: readonly string[]
    }[]
  }
}

export interface PlanOptions {
  readonly file: readonly string[]
  readonly set?: string
  readonly prune?: boolean
  readonly force?: boolean
  readonly last?: string
}

/** What an apply would change, and which recorded requests it would move. Writes nothing. */
export async function plan(context: Context, options: PlanOptions): Promise<ExitCode> {
  const { config } = await readDocuments(context, options.file)
  const { set, prune, force, last } = options
  const client = await context.client()
  const asked = {
    config,
    set,
    prune,
    force,
    ...(last === undefined ? {} : { lastRequests: Number(last) }),
  }
  const planned = await client.ask<Planned>('plan', asked)
  if (context.json) await context.printJson(planned)
  else await context.print(renderPlan(planned, context))
  return planned.requests.elsewhere > 0 ? EXIT.failed : EXIT.ok
}

function renderPlan({ revision, changes, requests }: Planned, { paint }: Context): string {
  const { looked, elsewhere, perhaps, groups } = requests
  const count = `${changes.length} ${changes.length === 1 ? 'change' : 'changes'}`
  const of = `of the last ${looked} requests ${elsewhere} would go elsewhere, ${perhaps} may`
  const rows = groups.map(({ route, requests: much, why, examples }) => {
    return [route, much, why, examples.slice(0, 1)]
  })
  const list = rows.length > 0 ? `\n${table(['ROUTE', 'REQUESTS', 'WHY', 'SUCH AS'], rows)}` : ''
  const said = `plan: ${count} to revision ${revision}, nothing written\n${of}\n`
  return `${renderChanges(changes, paint)}${said}${list}`.trimEnd()
}

interface Usage {
  readonly groupBy: readonly string[]
  readonly items: readonly (Readonly<Record<string, unknown>> & {
    readonly requests: number
    readonly errors: number
    readonly meanMs: number
    readonly p95Ms: number
    readonly costUsd: number | null
    readonly tokens: { readonly prompt: number | null; readonly completion: number | null }
  })[]
  readonly truncated: boolean
}

export interface UsageOptions {
  readonly by?: string
  readonly since?: string
}

const USD_DIGITS = 4

/** Requests, errors, tokens, cost and times, added up. */
export async function usage(context: Context, { by, since }: UsageOptions): Promise<void> {
  const from = since === undefined ? undefined : sinceOf(since, Date.now())
  const client = await context.client()
  const found = await client.get<Usage>('usage', { groupBy: by, from })
  if (context.json) return context.printJson(found)
  const names = found.groupBy
  const figures = ['REQUESTS', 'ERRORS', 'PROMPT', 'COMPLETION', 'USD', 'MEAN', 'P95']
  const rows = found.items.map((item) => [
    ...names.map((name) => item[name]),
    ...[item.requests, item.errors, item.tokens.prompt, item.tokens.completion],
    item.costUsd?.toFixed(USD_DIGITS),
    ...[`${rounded(item.meanMs)} ms`, `${rounded(item.p95Ms)} ms`],
  ])
  const head = [...names.map((name) => name.toUpperCase()), ...figures]
  const more = found.truncated ? 'there are more groups than these\n' : ''
  await context.print(`${table(head, rows)}${more}`.trimEnd())
}

export interface RequestsOptions {
  readonly id?: string
  readonly route?: string
  readonly key?: string
  readonly backend?: string
  readonly status?: string
  readonly since?: string
  readonly limit?: string
}

/** The newest requests. */
export async function requests(context: Context, options: RequestsOptions): Promise<void> {
  const { id, since, route, key, backend, status, limit = '20' } = options
  const from = since === undefined ? undefined : sinceOf(since, Date.now())
  const client = await context.client()
  const query = { route, key, backend, status, requestId: id, since: from, limit }
  const found = await client.get<{ readonly items: readonly Recorded[] }>('requests', query)
  if (context.json) return context.printJson(found)
  const rows = found.items.map((one) => [
    ...[one.at, one.requestId, one.key, one.model, one.backend, one.code ?? one.status],
    ...[one.attempts.length, `${rounded(one.durationMs)} ms`],
  ])
  const head = ['AT', 'REQUEST', 'KEY', 'MODEL', 'BACKEND', 'END', 'ATTEMPTS', 'TOOK']
  await context.print(table(head, rows).trimEnd())
}
