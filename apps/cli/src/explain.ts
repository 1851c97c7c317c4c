import { type Context } from './context.ts'
import { EXIT, type ExitCode, usage } from './failure.ts'
import { explainRequest } from './requests.ts'
import { table } from './table.ts'

export interface ExplainOptions {
  readonly asOf?: string
  readonly down?: readonly string[]
  /** The id of a client key. */
  readonly key?: string
  /** `name: value`, as curl takes them. */
  readonly header?: readonly string[]
  readonly user?: string
  readonly path?: string
  /** Of a recorded request, instead of a model. */
  readonly request?: string
}

export interface Candidate {
  readonly tier: number
  readonly backend: string
  readonly model: string
  readonly weight: number
  readonly share: number
  readonly reason: string
  /** How it would serve the path, where one was said. */
  readonly served?: string
}

interface Explanation {
  readonly model: string
  readonly revision: number
  readonly outcome: string
  readonly picked: Candidate | null
  readonly route: {
    readonly id: string
    readonly found: string
    readonly policy: string
    readonly strategy: string
  } | null
  readonly candidates: readonly Candidate[]
}

/** Who would take a request for a model, and why. Exits with 1 where nobody would. */
export async function explain(
  context: Context,
  model: string,
  { asOf, request, ...said }: ExplainOptions,
): Promise<ExitCode> {
  const { down, key, header, user, path } = said
  if (request !== undefined) {
    const alone = [down, key, header, user, path].every((one) => one === undefined)
    if (model === '' && alone) return explainRequest(context, request, asOf)
    throw usage('--request has all of its own', 'Leave the model and all but --as-of out.')
  }
  const revision = asOf !== undefined && /^\d{1,15}$/.test(asOf) ? Number(asOf) : asOf
  if (model === '' && path === undefined) {
    throw usage('the model is empty', 'Expected the name of a model, or --request.')
  }
  const client = await context.client()
  const headers = header && Object.fromEntries(header.map(headerOf))
  const asked = { model: model || undefined, revision, down, key, headers, user, path }
  const found = await client.ask<Explanation>('explain', asked)
  if (context.json) await context.printJson(found)
  else await context.print(render(found))
  return found.picked ? EXIT.ok : EXIT.failed
}

function headerOf(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(text) ?? []
  if (name !== undefined && value !== undefined) return [name, value]
  throw usage(`${JSON.stringify(text)} is no header`, 'Expected name: value.')
}

function render({ model, revision, outcome, route, picked, candidates }: Explanation): string {
  const end = picked ? `goes to ${picked.backend}` : `ends with ${outcome}`
  const by = route ? `route ${route.id} (${route.found}), ${route.policy}: ${route.strategy}` : '-'
  const lines = [`${model} at revision ${revision} ${end}`, `by ${by}`, '']
  const hasPath = candidates.some(({ served }) => served !== undefined)
  const rows = candidates.map(({ tier, backend, model: name, weight, share, reason, served }) => {
    const last = hasPath ? [reason, served?.replaceAll('_', ' ')] : [reason]
    return [tier, backend, name, weight, `${Math.round(share * 100)} %`, ...last]
  })
  const head = [
    'TIER',
    'BACKEND',
    'MODEL',
    'WEIGHT',
    'SHARE',
    'WHY',
    ...(hasPath ? ['SERVES'] : []),
  ]
  return `${lines.join('\n')}${candidates.length > 0 ? table(head, rows) : ''}`
}
