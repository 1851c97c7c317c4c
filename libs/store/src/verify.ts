import {
  canonicalJson,
  type ChainProblem,
  CHAIN_PROBLEMS_MAX,
  type RevisionMessage,
} from '@signalbox/model'
import type pg from 'pg'
import { inReadTransaction } from './database.ts'
import { readHeadOf, readMessages, type Source } from './read.ts'
import { bodyOf } from './rows.ts'

const BATCH = 256

const EVENTS = `SELECT revision, position, resource, id, version, type, spec FROM event
  WHERE fleet = $1 AND revision > $2 AND revision <= $3 ORDER BY position`
const RESOURCES = `SELECT resource, id, version, revision, spec FROM resource WHERE fleet = $1`

interface EventRow {
  readonly revision: string
  readonly position: string
  readonly resource: string
  readonly id: string
  readonly version: string
  readonly type: string
  readonly spec: unknown
}

interface Folded {
  readonly revision: number
  readonly version: number
  readonly spec: string
}

/**
 * Reads the whole log in one state of the database, hands each revision to `each` (false: enough),
 * and says where what was derived from its bytes (the index of events, the state) is not what the
 * bytes give: somebody wrote to it past the log.
 */
export async function readWhole(
  { pool, fleet }: Source,
  each: (message: RevisionMessage) => boolean,
): Promise<readonly ChainProblem[]> {
  return inReadTransaction(pool, async (client) => {
    const head = await readHeadOf(client, fleet)
    const problems: ChainProblem[] = []
    const state = new Map<string, Folded>()
    let after = 0
    for (;;) {
      const messages = await readMessages(client, { fleet, head, after, limit: BATCH })
      const last = messages.at(-1)?.revision
      if (last === undefined) break
      const rows = await eventsBetween(client, fleet, [after, last])
      for (const message of messages) {
        problems.push(...compareEvents(message, rows.get(message.revision) ?? []))
        fold(state, message)
        if (!each(message) || problems.length >= CHAIN_PROBLEMS_MAX) return problems
      }
      after = last
    }
    if (after !== head.revision) {
      const message = `the log ends here, but its head says ${head.revision}`
      problems.push({ revision: after, message })
    }
    return [...problems, ...(await compareState(client, { fleet, state, revision: after }))]
  })
}

async function eventsBetween(
  client: pg.ClientBase,
  fleet: string,
  [after, last]: readonly [number, number],
): Promise<ReadonlyMap<number, readonly EventRow[]>> {
  const { rows } = await client.query<EventRow>(EVENTS, [fleet, after, last])
  return Map.groupBy(rows, (row) => Number(row.revision))
}

function compareEvents(
  message: RevisionMessage,
  rows: readonly EventRow[],
): readonly ChainProblem[] {
  const { revision } = message
  const kept = rows.map((row) => ({
    id: row.id,
    position: Number(row.position),
    resource: row.resource,
    spec: row.spec,
    type: row.type,
    version: Number(row.version),
  }))
  const said = bodyOf(message).events.map(({ schema: _schema, ...event }) => event)
  if (canonicalJson(kept) === canonicalJson(said)) return []
  return [{ revision, message: 'the index of its events is not what its bytes say' }]
}

function fold(state: Map<string, Folded>, message: RevisionMessage): void {
  const { revision } = message
  for (const { resource, id, version, spec } of bodyOf(message).events) {
    const key = `${resource} ${id}`
    if (spec === null) state.delete(key)
    else state.set(key, { revision, version, spec: canonicalJson(spec) })
  }
}

async function compareState(
  client: pg.ClientBase,
  { fleet, state, revision }: { fleet: string; state: Map<string, Folded>; revision: number },
): Promise<readonly ChainProblem[]> {
  const { rows } = await client.query<Omit<EventRow, 'position' | 'type'>>(RESOURCES, [fleet])
  const problems: ChainProblem[] = []
  const say = (key: string, what: string) =>
    problems.push({ revision, message: `the state's ${key} ${what}` })
  for (const row of rows) {
    const key = `${row.resource} ${row.id}`
    const folded = state.get(key)
    state.delete(key)
    if (!folded) say(key, 'is in no revision')
    else if (
      folded.revision !== Number(row.revision) ||
      folded.version !== Number(row.version) ||
      folded.spec !== canonicalJson(row.spec)
    ) {
      say(key, `is not what revision ${folded.revision} made it`)
    }
  }
  for (const key of state.keys()) say(key, 'is missing')
  return problems.slice(0, CHAIN_PROBLEMS_MAX)
}
