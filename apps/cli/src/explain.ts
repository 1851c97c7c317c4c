import { type Context } from './context.ts'
import { EXIT, type ExitCode, usage } from './failure.ts'
import { explainRequest } from './requests.ts'
import { table } from './table.ts'

export interface ExplainOptions {
  readonly asOf?: string
  readonly down?: readonly string[]
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
  { asOf, down, request }: ExplainOptions,
): Promise<ExitCode> {
  if (request !== undefined) {
    if (model === '' && !down) return explainRequest(context, request, asOf)
    throw usage('--request has a model of its own', 'Leave the model and --down out.')
  }
  const revision = asOf !== undefined && /^\d{1,15}$/.test(asOf) ? Number(asOf) : asOf
  if (model === '') throw usage('the model is empty', 'Expected the name of a model, or --request.')
  const client = await context.client()
  const asked = { model, revision, down }
  const found = await client.ask<Explanation>('explain', asked)
  if (context.json) await context.printJson(found)
  else await context.print(render(found))
  return found.picked ? EXIT.ok : EXIT.failed
}

function render({ model, revision, outcome, route, picked, candidates }: Explanation): string {
  const end = picked ? `goes to ${picked.backend}` : `ends with ${outcome}`
  const by = route ? `route ${route.id} (${route.found}), ${route.policy}: ${route.strategy}` : '-'
  const lines = [`${model} at revision ${revision} ${end}`, `by ${by}`, '']
  const rows = candidates.map(({ tier, backend, model: name, weight, share, reason }) => {
    return [tier, backend, name, weight, `${Math.round(share * 100)} %`, reason]
  })
  const head = ['TIER', 'BACKEND', 'MODEL', 'WEIGHT', 'SHARE', 'WHY']
  return `${lines.join('\n')}${candidates.length > 0 ? table(head, rows) : ''}`
}
