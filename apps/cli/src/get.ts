import { type AdminClient } from './client.ts'
import { type Page, type Resource, type Revision, type Spec, type Status } from './answers.ts'
import { type Context } from './context.ts'
import { usage } from './failure.ts'
import { type Kind, parseKind, pathOf } from './kinds.ts'
import { lastUses } from './last-uses.ts'
import { listAll } from './list-all.ts'
import { plain } from './paint.ts'
import { table } from './table.ts'
import { type Target, usersOf } from './users.ts'

const REVISIONS_SHOWN = 5
export const SHAPES = ['table', 'json', 'yaml'] as const
type Shape = (typeof SHAPES)[number]

export interface GetOptions {
  readonly asOf?: string
  readonly label?: string
  readonly output?: string
}

export interface GetArguments {
  readonly kind: string
  readonly id: string | undefined
}

/** Lists a kind of resource, or shows one of them. */
export async function get(
  context: Context,
  { kind: word, id }: GetArguments,
  { asOf, label, output }: GetOptions,
): Promise<void> {
  const kind = parseKind(word)
  const shape = shapeOf(context, output)
  if (id !== undefined && label !== undefined) throw usage('a label and an id cannot both be given')
  const client = await context.client()
  // What was seen last is no part of any revision.
  const seen = kind === 'principal' && asOf === undefined ? client : null
  if (id !== undefined) {
    const one = await client.get<Resource>(pathOf({ resource: kind, id }), { asOf })
    return show(context, shape, { value: one, rows: tableOf(kind, [one], seen) })
  }
  const all = await listAll(client, kind, { asOf, label })
  await show(context, shape, { value: all, rows: tableOf(kind, all.items, seen) })
}

function shapeOf({ json }: Context, output: string | undefined): Shape {
  const shape = SHAPES.find((one) => one === (output ?? (json ? 'json' : 'table')))
  if (shape) return shape
  throw usage(`there is no output ${JSON.stringify(output)}`, `One of ${SHAPES.join(', ')}.`)
}

async function show(
  context: Context,
  shape: Shape,
  { value, rows }: { readonly value: unknown; readonly rows: () => Promise<string> },
): Promise<void> {
  if (shape === 'json') return context.printJson(value)
  if (shape === 'table') return context.print(await rows())
  const { stringify } = await import('./yaml-text.ts')
  await context.print(stringify(value))
}

type Column = readonly [head: string, read: (spec: Spec) => unknown]

const IDENTITY: readonly Column[] = [
  ['ENABLED', (spec) => spec['enabled']],
  ['EXPIRES', (spec) => spec['expiresAt']],
  ['FINGERPRINT', (spec) => spec['fingerprint']],
]
const LABELS: Column = ['LABELS', (spec) => pairs(spec['labels'])]
const COLUMNS: Readonly<Record<Kind, readonly Column[]>> = {
  secret: [
    ['FINGERPRINT', (spec) => spec['fingerprint']],
    ['ORIGINS', (spec) => spec['origins']],
    ['DESCRIPTION', (spec) => spec['description']],
    LABELS,
  ],
  backend: [
    ['KIND', (spec) => spec['kind']],
    ['URL', (spec) => spec['url']],
    ['MODELS', (spec) => spec['models']],
    ['WEIGHT', (spec) => spec['weight']],
    ['ENABLED', (spec) => spec['enabled']],
    LABELS,
  ],
  route: [
    ['ALIASES', (spec) => spec['aliases']],
    ['TIERS', (spec) => tiersOf(spec)],
    ['POLICY', (spec) => spec['policy']],
    LABELS,
  ],
  policy: [
    ['STRATEGY', (spec) => spec['strategy']],
    ['FALLBACK', (spec) => spec['fallbackStrategy']],
    ['RETRIES', (spec) => (spec['retry'] as { maxRetries?: number } | undefined)?.maxRetries],
    LABELS,
  ],
  set: [['MEMBERS', (spec) => (spec['members'] as readonly string[] | undefined)?.length]],
  key: [
    ['NAME', (spec) => spec['name']],
    ['OWNER', (spec) => spec['owner']],
    ['ROUTES', (spec) => spec['routes']],
    ...IDENTITY,
    LABELS,
  ],
  principal: [
    ['ROLE', (spec) => spec['role']],
    ['NAME', (spec) => spec['name']],
    ...IDENTITY,
    LABELS,
  ],
  settings: [
    ['CLIENT AUTH', (spec) => spec['clientAuth']],
    ['IMPLICIT POLICY', (spec) => spec['implicitPolicy']],
    ['BODY BYTES MAX', (spec) => spec['bodyBytesMax']],
    ['DENIALS KEPT DAYS', (spec) => spec['denialsKeptDays']],
  ],
}

/** The table, once it is wanted: of principals it asks when they were last seen. */
function tableOf(kind: Kind, resources: readonly Resource[], seen: AdminClient | null) {
  return async (): Promise<string> => {
    const columns = [...COLUMNS[kind]]
    const uses = seen && (await lastUses(seen))
    const more = uses ? ['LAST USED'] : []
    const head = ['ID', ...columns.map(([name]) => name), ...more, 'REVISION', 'UPDATED']
    const rows = resources.map(({ id, revision, updatedAt, spec }) => [
      id,
      ...columns.map(([, read]) => read(spec)),
      ...(uses ? [uses.get(id)] : []),
      revision,
      updatedAt,
    ])
    return table(head, rows)
  }
}

function pairs(labels: unknown): readonly string[] {
  return Object.entries((labels ?? {}) as object).map(([name, value]) => `${name}=${value}`)
}

/** `b1,b2 > b3`: tiers in their order. */
function tiersOf(spec: Spec): string {
  const tiers = (spec['tiers'] ?? []) as readonly { readonly targets: readonly Target[] }[]
  const nameOf = ({ backend, labels }: Target) => backend ?? `{${pairs(labels).join(',')}}`
  return tiers.map(({ targets }) => targets.map(nameOf).join(',')).join(' > ')
}

/** One resource with what belongs to it: its health, who refers to it, its last changes. */
export async function describe(
  context: Context,
  { kind: word, id }: { readonly kind: string; readonly id: string },
): Promise<void> {
  const kind = parseKind(word)
  const client = await context.client()
  const one = await client.get<Resource>(pathOf({ resource: kind, id }))
  const query = { resource: kind, id, limit: REVISIONS_SHOWN }
  const revisions = (await client.get<Page<Revision>>('revisions', query)).items
  const usedBy = await usersOf(client, kind, id)
  const status =
    kind === 'backend' ? await client.get<Status>(`status/${encodeURIComponent(id)}`) : null
  const lastUsedAt = kind === 'principal' ? ((await lastUses(client)).get(id) ?? null) : undefined
  if (context.json) return context.printJson({ ...one, status, lastUsedAt, usedBy, revisions })
  const { stringify } = await import('./yaml-text.ts')
  const shown = {
    [kind]: one.id,
    ...{ revision: one.revision, createdAt: one.createdAt, updatedAt: one.updatedAt },
    ...(status ? { status } : {}),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
    ...(usedBy.length > 0 ? { usedBy } : {}),
    spec: one.spec,
  }
  const rows = revisions.map((entry) => [
    entry.revision,
    entry.at,
    entry.actor,
    entry.changes.find((change) => change.id === id && change.resource === kind)?.op,
    entry.reason,
  ])
  await context.print(stringify(shown))
  const head = ['REVISION', 'AT', 'ACTOR', 'CHANGE', 'REASON']
  await context.print(`\n${plain(table(head, rows))}`)
}
