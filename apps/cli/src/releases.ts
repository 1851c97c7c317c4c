import { type Changed, type Convergence, type Spec } from './answers.ts'
import { readDocuments } from './apply.ts'
import { renderConvergence, reportChanged } from './changes.ts'
import { type Context } from './context.ts'
import { EXIT, type ExitCode, usage } from './failure.ts'
import { plain } from './paint.ts'
import { table } from './table.ts'
import { readRevision, type WriteFlags } from './time.ts'

interface Side {
  readonly proxies: number
  readonly requests: number
  readonly errors: number
}

interface Release {
  readonly id: string
  readonly state: string
  readonly revision: number
  readonly base: number
  readonly stage: number
  readonly stageAt: string
  readonly actor: string
  readonly reason: string | null
  readonly guard: Spec
  readonly stages: readonly {
    readonly percent?: number
    readonly labels?: Readonly<Record<string, string>>
    readonly bake: number
  }[]
  readonly changes: readonly { readonly resource: string; readonly id: string }[]
  readonly verdict: { readonly verdict: string; readonly why: string } | null
  readonly cohort: Side | null
  readonly control: Side | null
  readonly why: string | null
  readonly convergence?: Convergence
}

export interface StartOptions extends WriteFlags {
  readonly file?: readonly string[]
  readonly revision?: string
  readonly stage?: readonly string[]
  readonly guard?: readonly string[]
}

/** Starts a release: of what documents say, or of the state after a revision. */
export async function start(context: Context, options: StartOptions): Promise<ExitCode> {
  const { file, revision, stage, guard, dryRun, wait } = options
  if ((file === undefined) === (revision === undefined)) {
    throw usage('what shall be released?', 'Expected --file, or --revision, and not both.')
  }
  const staged =
    file === undefined
      ? { revision: readRevision(revision ?? '') }
      : { operations: operationsOf((await readDocuments(context, file)).config) }
  const body = {
    ...staged,
    ...(stage ? { stages: stage.map(readStage) } : {}),
    ...(guard ? { guard: Object.fromEntries(guard.map(readSetting)) } : {}),
  }
  const from = file ? `-f ${file.join(' -f ')}` : `--revision ${revision}`
  const answer = await (
    await context.client()
  ).write<Changed | Release>('POST', 'releases', {
    query: { dryRun, wait: dryRun ? undefined : wait },
    body,
    reason: options.reason ?? `signalbox release start ${from}`,
  })
  return 'id' in answer ? reportRelease(context, answer) : reportChanged(context, answer)
}

/** All releases; or one, and how it does. */
export async function showReleases(context: Context, id: string | undefined): Promise<void> {
  const client = await context.client()
  if (id !== undefined) {
    const one = await client.get<Release>(`releases/${encodeURIComponent(id)}`)
    return context.json ? context.printJson(one) : context.print(renderRelease(one))
  }
  const all = await client.get<{ readonly items: readonly Release[] }>('releases')
  if (context.json) return context.printJson(all)
  const head = ['RELEASE', 'STATE', 'STAGE', 'SINCE', 'COHORT', 'OTHERS', 'WHY']
  const rows = all.items.map((one) => [
    ...[one.id, one.state, stageOf(one), one.stageAt, sideText(one.cohort), sideText(one.control)],
    one.why ?? one.verdict?.why,
  ])
  await context.print(table(head, rows))
}

/** The next stage; or the end, with --full. */
export function promote(
  context: Context,
  id: string,
  { full = false, ...flags }: WriteFlags & { readonly full?: boolean },
): Promise<ExitCode> {
  const reason = `signalbox release promote ${id}${full ? ' --full' : ''}`
  return takeStep(context, `${encodeURIComponent(id)}/promote`, {
    reason,
    ...flags,
    body: { full },
  })
}

/** Takes it back. */
export function rollBack(context: Context, id: string, flags: WriteFlags): Promise<ExitCode> {
  const reason = `signalbox release rollback ${id}`
  return takeStep(context, `${encodeURIComponent(id)}/rollback`, { reason, ...flags, body: {} })
}

async function takeStep(
  context: Context,
  step: string,
  { dryRun, wait, reason, body }: WriteFlags & { readonly reason: string; readonly body: object },
): Promise<ExitCode> {
  const client = await context.client()
  const answer = await client.write<Changed | Release>('POST', `releases/${step}`, {
    query: { dryRun, wait: dryRun ? undefined : wait },
    ...{ body, reason },
  })
  return 'id' in answer ? reportRelease(context, answer) : reportChanged(context, answer)
}

async function reportRelease(context: Context, release: Release): Promise<ExitCode> {
  const { convergence } = release
  const missed = convergence && (convergence.pending > 0 || convergence.nacked > 0)
  if (context.json) await context.printJson(release)
  else await context.print(renderRelease(release))
  if (convergence && !context.json) await context.print(renderConvergence(convergence))
  return missed ? EXIT.failed : EXIT.ok
}

function renderRelease(release: Release): string {
  const { id, state, revision, base, stageAt, actor, reason, changes } = release
  const { verdict, cohort, control, why } = release
  const names = changes.map((one) => `${one.resource}/${one.id}`).join(' ')
  const lines = [
    `${id} ${state}, ${stageOf(release)} since ${stageAt}`,
    `changes   ${names} (revision ${revision}; elsewhere ${base})`,
    `by        ${actor}${reason === null ? '' : `: ${reason}`}`,
    ...(cohort ? [`cohort    ${sideText(cohort)}`] : []),
    ...(control ? [`others    ${sideText(control)}`] : []),
    ...(verdict ? [`verdict   ${verdict.verdict}: ${verdict.why}`] : []),
    ...(why === null ? [] : [`why       ${why}`]),
  ]
  return lines.map(plain).join('\n')
}

function stageOf({ stage, stages }: Release): string {
  const { percent, labels = {}, bake = 0 } = stages[stage] ?? {}
  const who =
    percent === undefined
      ? Object.entries(labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(',')
      : `${percent}%`
  return `stage ${stage + 1} of ${stages.length} (${who} for ${bake / 1_000}s)`
}

function sideText(side: Side | null): string | null {
  if (!side) return null
  const { proxies, requests, errors } = side
  return `${proxies} ${proxies === 1 ? 'proxy' : 'proxies'}, ${errors} of ${requests} failed`
}

/** Each resource of the documents, made or replaced; what they leave out stays. */
function operationsOf(config: Readonly<Record<string, unknown>>): readonly object[] {
  return Object.entries(config).flatMap(([resource, all]) =>
    Object.entries(all as Readonly<Record<string, unknown>>).map(([id, spec]) => {
      return { op: 'put', resource, id, spec }
    }),
  )
}

const STAGE = /^(?<who>.+?)(@(?<bake>\d+(ms|s|m|h)))?$/

/** `10%`, `10%@60s`, `zone=eu,canary=yes@5m`. */
export function readStage(text: string): object {
  const { who = '', bake } = STAGE.exec(text)?.groups ?? {}
  const rest = bake === undefined ? {} : { bake }
  const percent = /^(\d{1,3})%$/.exec(who)?.[1]
  if (percent !== undefined) return { percent: Number(percent), ...rest }
  const pairs = who.split(',').map((pair) => /^([^=]+)=(.*)$/.exec(pair))
  const labels = pairs.flatMap((pair) => (pair ? [[pair[1] ?? '', pair[2] ?? '']] : []))
  if (labels.length > 0 && labels.length === pairs.length) {
    return { labels: Object.fromEntries(labels) as Record<string, string>, ...rest }
  }
  throw usage(`${JSON.stringify(text)} is no stage`, 'Expected 10%@60s, or zone=eu@5m.')
}

function readSetting(text: string): readonly [string, number] {
  const [, name, value = ''] = /^(\w+)=([\d.]+)$/.exec(text) ?? []
  if (name !== undefined && Number.isFinite(Number(value))) return [name, Number(value)]
  throw usage(`${JSON.stringify(text)} is no setting`, 'Expected minRequests=50, for example.')
}
