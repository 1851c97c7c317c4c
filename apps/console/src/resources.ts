import { answered, api, type Change, type Convergence } from './api.ts'

/** What the log holds; they all have the same calls. */
export const PLURALS = {
  backend: 'backends',
  route: 'routes',
  policy: 'policies',
  key: 'keys',
  secret: 'secrets',
  principal: 'principals',
  set: 'sets',
} as const
export type Kind = keyof typeof PLURALS
export type Spec = Readonly<Record<string, unknown>>

export interface Resource {
  readonly id: string
  readonly revision: number
  readonly createdAt: string
  readonly updatedAt: string
  readonly spec: Spec
  readonly convergence?: Convergence
  /** Of a key or a principal that was just made: shown once. */
  readonly token?: string
}

export interface Page {
  readonly items: readonly Resource[]
  readonly nextCursor: string | null
}

const PAGE = 200
/** How long a change waits for the fleet; who is late is named then. */
const WAIT = '5s'

// The calls are one for all kinds, and so are their types but for the spec.
const listPath = (kind: Kind) => `/admin/v1/${PLURALS[kind]}` as '/admin/v1/backends'
const onePath = (kind: Kind) => `/admin/v1/${PLURALS[kind]}/{id}` as '/admin/v1/backends/{id}'

export async function list(
  kind: Kind,
  query: { readonly q?: string; readonly cursor?: string; readonly asOf?: string },
): Promise<Page> {
  const page = answered(api.GET(listPath(kind), { params: { query: { limit: PAGE, ...query } } }))
  return page as Promise<unknown> as Promise<Page>
}

export async function read(kind: Kind, id: string, asOf?: string): Promise<Resource> {
  const query = asOf ? { asOf } : {}
  const one = answered(api.GET(onePath(kind), { params: { path: { id }, query } }))
  return one as Promise<unknown> as Promise<Resource>
}

export interface Write {
  readonly kind: Kind
  readonly id: string
  /** A whole spec; null deletes. */
  readonly spec: Spec | null
  /** What was read; null where it is new. */
  readonly revision: number | null
  readonly reason: string
}

/** What a write would change. */
export async function dryRun(write: Write): Promise<readonly Change[]> {
  const { changes } = (await send(write, { dryRun: true })) as { changes: readonly Change[] }
  return changes
}

/** Writes, and waits for the fleet. */
export async function write(one: Write): Promise<Partial<Resource>> {
  return ((await send(one, { wait: WAIT })) ?? {}) as Partial<Resource>
}

function send(
  { kind, id, spec, revision, reason }: Write,
  query: { readonly dryRun?: true; readonly wait?: string },
): Promise<unknown> {
  const header = {
    ...(reason ? { 'X-Reason': encodeURIComponent(reason) } : {}),
    ...(revision === null ? {} : { 'If-Match': `"${revision}"` }),
  }
  if (spec === null) {
    return answered(api.DELETE(onePath(kind), { params: { path: { id }, query, header } }))
  }
  // The shape is judged by the API, which says what is wrong with which member.
  const body = spec as never
  if (revision === null) {
    return answered(
      api.POST(listPath(kind), { params: { query, header }, body: { id, spec: body } }),
    )
  }
  const params = { path: { id }, query, header }
  return answered(api.PUT(onePath(kind), { params, body: { spec: body } }))
}

export async function rotate(kind: 'key' | 'principal', id: string): Promise<Partial<Resource>> {
  const path = `/admin/v1/${PLURALS[kind]}/{id}/rotate` as '/admin/v1/keys/{id}/rotate'
  const one = answered(api.POST(path, { params: { path: { id } }, body: {} }))
  return one as Promise<unknown> as Promise<Partial<Resource>>
}
