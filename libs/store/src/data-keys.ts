import {
  collection,
  dataKeyOf,
  type Event,
  type Named,
  refuse,
  type Refusal,
  type Resource,
  type ResourceName,
  type RevisionMessage,
  sealedTextOf,
  type Snapshot,
  withDataKeys,
} from '@signalbox/model'
import type pg from 'pg'
import { inReadTransaction, withClient } from './database.ts'
import { inParts } from './held.ts'
import { readMessages, readHeadOf, type Source } from './read.ts'
import { type SealedPage, type SealedRow } from './store.ts'

/** What may have something sealed in it. */
export const HOLDERS: readonly ResourceName[] = ['secret', 'backend']
const NAMED_MAX = 20

/** A key that is here already is the same one, wrapped anew. */
const KEEP = `INSERT INTO data_key (fleet, key, resource, id, wrapped)
  SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
  ON CONFLICT (fleet, key) DO UPDATE SET wrapped = excluded.wrapped
  WHERE data_key.resource = excluded.resource AND data_key.id = excluded.id`
const HELD = `SELECT n.resource, n.id
  FROM unnest($2::text[], $3::text[], $4::text[]) AS n (key, resource, id)
  WHERE NOT EXISTS (SELECT 1 FROM data_key k
    WHERE k.fleet = $1 AND k.key = n.key AND k.resource = n.resource AND k.id = n.id)
  ORDER BY n.resource, n.id LIMIT ${NAMED_MAX + 1}`
const FIND = 'SELECT key, wrapped FROM data_key WHERE fleet = $1 AND key = ANY ($2)'
const SEALED = `SELECT r.resource, r.id, sealed_text_of(r.spec) AS sealed, k.wrapped
  FROM resource r
  LEFT JOIN data_key k ON k.fleet = r.fleet AND k.key = data_key_of(r.spec)
    AND k.resource = r.resource AND k.id = r.id
  WHERE r.fleet = $1 AND r.resource = $2 AND r.id > $3 AND sealed_text_of(r.spec) IS NOT NULL
  ORDER BY r.id LIMIT $4`

interface Keeping {
  readonly before: Snapshot
  readonly events: readonly Event[]
  readonly dataKeys: ReadonlyMap<string, string>
}

/**
 * Keeps the data keys of what these events seal, before they are appended: what is appended shreds
 * all others of the same resource (the trigger event_shreds_data_keys). Refused, and nothing kept,
 * where nobody could ever open what they bring back.
 */
export async function keepDataKeys(
  client: pg.ClientBase,
  fleet: string,
  { before, events, dataKeys }: Keeping,
): Promise<Refusal | undefined> {
  const sealed = events.flatMap(({ resource, id, spec }) => {
    const key = keyIn(spec)
    return key === undefined ? [] : [{ key, resource, id, wrapped: dataKeys.get(key) }]
  })
  const broughtBack = sealed.filter(({ key, resource, id, wrapped }) => {
    // What stays as it is stored stays, whoever can open it.
    const stored = keyIn(collection(before, resource).get(id)?.spec ?? null)
    return wrapped === undefined && stored !== key
  })
  const shut = await shutProblem(client, fleet, broughtBack)
  if (shut) return shut
  const kept = sealed.filter(({ wrapped }) => wrapped !== undefined)
  if (kept.length === 0) return undefined
  const column = (name: keyof (typeof kept)[number]) => kept.map((row) => row[name])
  const columns = [column('key'), column('resource'), column('id'), column('wrapped')]
  const { rowCount } = await client.query(KEEP, [fleet, ...columns])
  if (rowCount !== kept.length) throw new Error('a data key is that of another resource')
  return undefined
}

async function shutProblem(
  client: pg.ClientBase,
  fleet: string,
  asked: readonly (Named & { readonly key: string })[],
): Promise<Refusal | undefined> {
  if (asked.length === 0) return undefined
  const column = (name: 'key' | 'resource' | 'id') => asked.map((row) => row[name])
  const values = [fleet, column('key'), column('resource'), column('id')]
  const { rows } = await client.query<Named>(HELD, values)
  if (rows.length === 0) return undefined
  const named = rows.slice(0, NAMED_MAX).map(({ resource, id }) => `${resource} ${id}`)
  const more = rows.length > NAMED_MAX ? ' and others' : ''
  const why = 'was deleted or replaced since, and its data key with it'
  return refuse('secret_shredded', `what was sealed in ${named.join(', ')}${more} ${why}`)
}

function keyIn(spec: Event['spec']): string | undefined {
  const sealed = sealedTextOf(spec)
  return sealed === undefined ? undefined : dataKeyOf(sealed)
}

/** As readMessagesAfter(), with the data keys of what is sealed there, as far as there are any. */
export async function readToPublish(
  { pool, fleet }: Source,
  after: number,
  limit: number,
): Promise<readonly RevisionMessage[]> {
  return inReadTransaction(pool, async (client) => {
    const head = await readHeadOf(client, fleet)
    const messages = await readMessages(client, { fleet, head, after, limit })
    const idsOf = messages.map(({ body }) => keysIn(body))
    const found = await readDataKeys(client, fleet, idsOf.flat())
    return messages.map((message, nth) => {
      const keys = (idsOf[nth] ?? []).flatMap((id) => {
        const wrapped = found.get(id)
        return wrapped === undefined ? [] : [[id, wrapped] as const]
      })
      return keys.length === 0 ? message : { ...message, dataKeys: Object.fromEntries(keys) }
    })
  })
}

/** Canonical JSON has no spaces, and no bare quotes inside of its texts. */
const SEALED_IN_BODY = /"sealed":"dk1:([A-Za-z0-9_-]+):/g

function keysIn(body: string): readonly string[] {
  return [...body.matchAll(SEALED_IN_BODY)].flatMap(([, id]) => id ?? [])
}

async function readDataKeys(
  client: pg.ClientBase,
  fleet: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const some of inParts(ids)) {
    type Row = { readonly key: string; readonly wrapped: string }
    const { rows } = await client.query<Row>(FIND, [fleet, some])
    for (const { key, wrapped } of rows) found.set(key, wrapped)
  }
  return found
}

/** The same resources with the data keys of what is sealed in them, as followers have them. */
export async function withKeys(
  client: pg.ClientBase,
  fleet: string,
  all: readonly Resource[],
): Promise<readonly Resource[]> {
  const ids = all.flatMap(({ spec }) => keyIn(spec) ?? [])
  if (ids.length === 0) return all
  const keys = Object.fromEntries(await readDataKeys(client, fleet, ids))
  return all.map((one) => ({ ...one, spec: withDataKeys(one.spec, keys) }))
}

/** A page of what is sealed in the state now, each with its data key. */
export async function readSealed(
  { pool, fleet }: Source,
  { resource, after, limit }: SealedPage,
): Promise<readonly SealedRow[]> {
  type Row = Omit<SealedRow, 'resource'>
  const { rows } = await withClient(pool, (client) =>
    client.query<Row>(SEALED, [fleet, resource, after, limit]),
  )
  return rows.map(({ id, sealed, wrapped }) => ({ resource, id, sealed, wrapped }))
}
