import { setTimeout as delay } from 'node:timers/promises'
import { type FleetAnswer, type Member, type Status } from './answers.ts'
import { type AdminClient } from './client.ts'
import { type Context } from './context.ts'
import { allMembers, allStatuses } from './pages.ts'
import { plain } from './paint.ts'
import { follow, type ServerEvent } from './server-events.ts'
import { table } from './table.ts'

/** A screen is drawn at most so often, and at least so often: who falls silent sends no event. */
const REDRAW_MS = 1_000
const REDRAW_MS_MAX = 10_000
const CLEAR = '\x1b[H\x1b[2J'

/** One view: how it is asked for, drawn whole, and told line by line. */
interface View<Answer> {
  readonly read: (client: AdminClient) => Promise<Answer>
  readonly draw: (answer: Answer, context: Context) => string
  /** What is there already, as the events that would have told it. */
  readonly events: (answer: Answer) => readonly ServerEvent[]
  /** A line for what an event says; undefined where it says nothing for this view. */
  readonly line: (event: ServerEvent) => { readonly of: string; readonly text: string } | undefined
}

export interface ObserveOptions {
  readonly watch?: boolean
}

/** Every proxy and probe: what they run, how far behind they are, what they refused. */
export function fleet(context: Context, options: ObserveOptions): Promise<void> {
  return observe(context, FLEET, options)
}

/** The health of every backend. */
export function status(context: Context, options: ObserveOptions): Promise<void> {
  return observe(context, STATUS, options)
}

const FLEET: View<FleetAnswer> = {
  read: (client) => allMembers<FleetAnswer>(client),
  draw: drawFleet,
  events: ({ members }) => members.map((data) => ({ event: 'member', data })),
  line: ({ event, data }) => {
    if (event === 'revision') {
      return { of: 'revision', text: `revision ${(data as { revision: number }).revision}` }
    }
    if (event === 'release') return releaseLine(data as ReleaseTold)
    return event === 'member' ? memberLine(data as Member) : undefined
  },
}

interface Statuses {
  readonly items: readonly Status[]
}

const STATUS: View<Statuses> = {
  read: (client) => allStatuses<Statuses>(client),
  draw: drawStatus,
  events: ({ items }) => items.map((data) => ({ event: 'status', data })),
  line: ({ event, data }) => (event === 'status' ? statusLine(data as Status) : undefined),
}

async function observe<Answer>(
  context: Context,
  view: View<Answer>,
  { watch = false }: ObserveOptions,
): Promise<void> {
  const client = await context.client()
  if (watch && !context.json && context.io.stdout.isTTY) return redraw(context, view, client)
  if (watch) return tell(context, view, client)
  const answer = await view.read(client)
  if (context.json) await context.printJson(answer)
  else await context.print(view.draw(answer, context))
}

/** The whole screen, whenever something has happened. */
async function redraw<Answer>(
  context: Context,
  view: View<Answer>,
  client: AdminClient,
): Promise<void> {
  const { signal } = context.io
  let wake = () => {}
  const pump = async () => {
    for await (const _ of follow(client, { signal, onLost: () => wake() })) wake()
  }
  const pumping = pump()
  // Heard in the race below; until then it is no unhandled rejection.
  pumping.catch(() => {})
  for (;;) {
    const woken = new Promise<void>((resolve) => (wake = resolve))
    const answer = await view.read(client)
    await context.print(`${CLEAR}${view.draw(answer, context)}`)
    await Promise.race([pumping, woken, delay(REDRAW_MS_MAX, undefined, { signal })])
    await delay(REDRAW_MS, undefined, { signal })
  }
}

/** A line for what is there and each change; heartbeats that say nothing new say nothing. */
async function tell<Answer>(
  context: Context,
  view: View<Answer>,
  client: AdminClient,
): Promise<void> {
  const { signal } = context.io
  let fresh = true
  const onLost = () => {
    fresh = true
    void context.note('the stream broke off; asking for it again')
  }
  const last = new Map<string, string>()
  for await (const event of follow(client, { signal, onLost })) {
    // Read once the stream is open, so that nothing falls between both.
    const before = fresh ? view.events(await view.read(client)) : []
    fresh = false
    for (const one of [event, ...before]) {
      const line = view.line(one)
      if (!line || last.get(line.of) === line.text) continue
      last.set(line.of, line.text)
      const at = new Date().toISOString()
      const text = context.json ? JSON.stringify({ at, ...one }) : plain(`${at} ${line.text}`)
      await context.print(text)
    }
  }
}

function memberLine(member: Member) {
  const { id, role, state, active, lag, nacks } = member
  const refused = nacks.map((one) => `, refused ${one.resource} ${one.id}: ${one.message}`)
  return { of: id, text: `${role} ${id} ${state} at ${active}, lag ${lag}${refused.join('')}` }
}

interface ReleaseTold {
  readonly id: string
  readonly state: string
  readonly stage: number
  readonly verdict: { readonly verdict: string; readonly why: string } | null
  readonly why: string | null
}

function releaseLine({ id, state, stage, verdict, why }: ReleaseTold) {
  const known = verdict ? `, stage ${stage + 1}, ${verdict.verdict}: ${verdict.why}` : ''
  return { of: id, text: `${id} ${state}${known}${why === null ? '' : `: ${why}`}` }
}

function statusLine({ backend, health, error }: Status) {
  return { of: backend, text: `backend ${backend} ${health}${error ? `: ${error}` : ''}` }
}

function drawFleet(answer: FleetAnswer, { paint }: Context): string {
  const { head, live, applied, members, convergence } = answer
  const columns = [
    'ID',
    'ROLE',
    'VERSION',
    'STATE',
    'REVISION',
    'LAG',
    'LOAD',
    'LAST SEEN',
    'REFUSED',
  ]
  const rows = members.map((one) => [
    ...[one.id, one.role, one.version, one.live ? one.state : 'offline', one.active, one.lag],
    ...[one.load?.inFlight, one.lastSeenAt],
    one.nacks.map((nack) => `${nack.resource}/${nack.id}: ${nack.message}`).join('; '),
  ])
  const { p50Ms, p99Ms } = convergence
  const took = p50Ms === null ? '' : ` (p50 ${p50Ms} ms, p99 ${p99Ms} ms after the commit)`
  const all = `revision ${head.revision}: ${applied} of ${live} live proxies have it${took}`
  const colour = live > 0 && applied === live ? 'green' : 'yellow'
  return `${paint(colour, all)}\n\n${table(columns, rows)}`
}

function drawStatus({ items }: Statuses): string {
  const columns = ['BACKEND', 'HEALTH', 'SINCE', 'LATENCY', 'MODELS', 'ERROR']
  const latency = (ms: number | null) => (ms === null ? null : `${Math.round(ms)} ms`)
  return table(
    columns,
    items.map((one) => [
      ...[one.backend, one.health, one.since, latency(one.latencyMs)],
      ...[one.models?.length, one.error],
    ]),
  )
}
