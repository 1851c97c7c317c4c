import { type Context } from './context.ts'
import { usage } from './failure.ts'
import { type Kind, KINDS, pathOf } from './kinds.ts'
import { type WriteFlags } from './time.ts'

export type IdentityKind = Extract<Kind, 'key' | 'principal'>

export interface IdentityFlags extends WriteFlags {
  readonly name?: string
  readonly owner?: string
  readonly route?: readonly string[]
  readonly role?: string
  readonly expires?: string
  readonly overlap?: string
  readonly rpm?: string
  readonly tpm?: string
  readonly concurrency?: string
  readonly budget?: string
}

interface Shown {
  readonly id?: string
  readonly token?: string
  readonly spec?: { readonly fingerprint?: string; readonly previous?: { readonly until: string } }
}

/** Makes a key or a principal. Its token goes to stdout, alone: the only time that it is seen. */
export async function create(
  context: Context,
  { kind, id }: { readonly kind: IdentityKind; readonly id: string },
  flags: IdentityFlags,
): Promise<void> {
  const { name, owner, route, role, expires: expiresAt } = flags
  if (kind === 'principal' && role === undefined) {
    throw usage('--role is missing', 'Expected --role viewer, operator or admin.')
  }
  const mine =
    kind === 'key'
      ? { owner, routes: route, limits: limitsIn(flags), budget: budgetIn(flags) }
      : { role }
  const body = { id, spec: { name, expiresAt, ...mine } }
  await show(
    context,
    { id, kind, made: 'made' },
    await send(context, { kind, path: '', id, body }, flags),
  )
}

/** As they were written: what is no number the admin API names. */
function limitsIn({ rpm, tpm, concurrency }: IdentityFlags): object | undefined {
  const given = Object.entries({ rpm, tpm, concurrency }).filter(([, text]) => text !== undefined)
  if (given.length === 0) return undefined
  return Object.fromEntries(given.map(([name, text]) => [name, numberIn(name, text)]))
}

/** `50/month`, or `50`. */
function budgetIn({ budget }: IdentityFlags): object | undefined {
  if (budget === undefined) return undefined
  const [usd = '', period] = budget.split('/')
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(usd)) {
    throw usage(`--budget is ${JSON.stringify(budget)}`, 'Expected dollars a period: 50/month.')
  }
  return { usd: Number(usd), ...(period === undefined ? {} : { period }) }
}

function numberIn(name: string, text = ''): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usage(`--${name} is ${JSON.stringify(text)}`, `Expected a number such as --${name} 60.`)
}

/** Gives it a new token; with an overlap the former one is good for a while. */
export async function rotate(
  context: Context,
  { kind, id }: { readonly kind: IdentityKind; readonly id: string },
  flags: IdentityFlags,
): Promise<void> {
  const { overlap } = flags
  const path = `/${encodeURIComponent(id)}/rotate`
  const answer = await send(context, { kind, path, id, body: { overlap } }, flags)
  await show(context, { id, kind, made: 'rotated' }, answer)
}

/** Ends it at once; what it did stays in the log. */
export async function revoke(
  context: Context,
  { kind, id }: { readonly kind: IdentityKind; readonly id: string },
  { dryRun, wait, reason }: WriteFlags,
): Promise<void> {
  const client = await context.client()
  const answer = await client.write<Shown>('PATCH', pathOf({ resource: kind, id }), {
    query: { dryRun, wait: dryRun ? undefined : wait },
    body: { spec: { enabled: false, previous: null } },
    reason: reason ?? `signalbox ${KINDS[kind]} revoke ${id}`,
  })
  if (context.json) return context.printJson(answer)
  await context.print(`${kind} ${id} ${dryRun ? 'would be revoked' : 'is revoked'}`)
}

interface Sending {
  readonly kind: IdentityKind
  readonly path: string
  readonly id: string
  readonly body: object
}

async function send(
  context: Context,
  { kind, path, id, body }: Sending,
  { dryRun, wait, reason }: WriteFlags,
): Promise<Shown> {
  const client = await context.client()
  const did = path === '' ? 'create' : 'rotate'
  return client.write<Shown>('POST', `${KINDS[kind]}${path}`, {
    query: { dryRun, wait: dryRun ? undefined : wait },
    body,
    reason: reason ?? `signalbox ${KINDS[kind]} ${did} ${id}`,
  })
}

async function show(
  context: Context,
  { kind, id, made }: { readonly kind: string; readonly id: string; readonly made: string },
  answer: Shown,
): Promise<void> {
  if (context.json) return context.printJson(answer)
  const { token, spec } = answer
  if (token === undefined) return context.print(`${kind} ${id} would be ${made}`)
  const until = spec?.previous ? `; the former token is good until ${spec.previous.until}` : ''
  await context.note(`${kind} ${id} is ${made}${until}. Its token is shown this once:`)
  await context.print(token)
}
