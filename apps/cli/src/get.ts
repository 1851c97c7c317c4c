import { type AdminClient } from './client.ts'
import { type Page, type Resource, type Revision, type Spec, type Status } from './answers.ts'
import { type Context } from './context.ts'
import { usage } from './failure.ts'
import { type Kind, KINDS, parseKind, pathOf } from './kinds.ts'
import { plain } from './paint.ts'
import { table } from './table.ts'

const PAGE = 1_000
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
  if (id !== undefined) {
    const one = await client.get<Resource>(pathOf({ resource: kind, id }), { asOf })
    return show(context, shape, { value: one, rows: () => tableOf(kind, [one]) })
  }
  const all = await listAll(client, kind, { asOf, label })
  await show(context, shape, { value: all, rows: () => tableOf(kind, all.items) })
}

/** All pages as one; they show the state of one revision. */
export async function listAll(
  client: AdminClient,
  kind: Kind,
  query: { readonly asOf?: string | undefined; readonly label?: string | undefined } = {},
): Promise<Omit<Page<Resource>, 'nextCursor'>> {
  const items: Resource[] = []
  let cursor: string | undefined
  for (;;) {
    const page = await client.get<Page<Resource>>(KINDS[kind], { ...query, limit: PAGE, cursor })
    items.push(...page.items)
    if (page.nextCursor === null) return { items, revision: page.revision }
    cursor = page.nextCursor
  }
}

function shapeOf({ json }: Context, output: string | undefined): Shape {
  const shape = SHAPES.find((one) => one === (output ?? (json ? 'json' : 'table')))
  if (shape) return shape
  throw usage(`there is no output ${JSON.stringify(output)}`, `One of ${SHAPES.join(', ')}.`)
}

async function show(
  context: Context,
  shape: Shape,
  { value, rows }: { readonly value: unknown; readonly rows: () => string },
): Promise<void> {
  if (shape === 'json') return context.printJson(value)
  if (shape === 'table') return context.print(rows())
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

function tableOf(kind: Kind, resources: readonly Resource[]): string {
  const columns = COLUMNS[kind]
  const head = ['ID', ...columns.map(([name]) => name), 'REVISION', 'UPDATED']
  return table(
    head,
    resources.map(({ id, revision, updatedAt, spec }) => [
      id,
      ...columns.map(([, read]) => read(spec)),
      revision,
      updatedAt,
    ]),
  )
}

function pairs(labels: unknown): readonly string[] {
  return Object.entries((labels ?? {}) as object).map(([name, value]) => `${name}=${value}`)
}

interface Target {
  readonly backend?: string
  readonly labels?: object
  readonly weight?: number
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
  const status = kind === 'backend' ? await statusOf(client, id) : null
  if (context.json) return context.printJson({ ...one, status, usedBy, revisions })
  const { stringify } = await import('./yaml-text.ts')
  const shown = {
    [kind]: one.id,
    ...{ revision: one.revision, createdAt: one.createdAt, updatedAt: one.updatedAt },
    ...(status ? { status } : {}),
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

async function statusOf(client: AdminClient, id: string): Promise<Status | null> {
  const { items } = await client.get<{ items: readonly Status[] }>('status')
  return items.find(({ backend }) => backend === id) ?? null
}

/** Which resources name this one: `route/r1`. */
async function usersOf(client: AdminClient, kind: Kind, id: string): Promise<readonly string[]> {
  if (kind === 'set') return []
  const [routes, sets, backends] = await Promise.all([
    listAll(client, 'route'),
    listAll(client, 'set'),
    kind === 'secret' ? backendsWith(client, id) : [],
  ])
  const refers = ({ spec }: Resource) => {
    if (kind === 'policy') return spec['policy'] === id
    if (kind !== 'backend') return false
    const tiers = (spec['tiers'] ?? []) as readonly { readonly targets: readonly Target[] }[]
    return tiers.some(({ targets }) => targets.some(({ backend }) => backend === id))
  }
  const owners = sets.items.filter(({ spec }) =>
    ((spec['members'] ?? []) as readonly string[]).includes(`${kind}/${id}`),
  )
  return [
    ...backends.map((backend) => `backend/${backend}`),
    ...routes.items.filter(refers).map((route) => `route/${route.id}`),
    ...owners.map((set) => `set/${set.id}`),
  ]
}

/** The backends that refer to a secret. */
export async function backendsWith(
  client: AdminClient,
  secret: string,
): Promise<readonly string[]> {
  const { items } = await listAll(client, 'backend')
  const refers = ({ spec }: Resource) =>
    (spec['credential'] as { readonly secret?: string } | undefined)?.secret === secret
  return items.filter(refers).map(({ id }) => id)
}
