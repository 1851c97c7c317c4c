import { readFileSync } from 'node:fs'
import { type FleetAnswer, type Status } from './answers.ts'
import { type AdminClient, type Answered } from './client.ts'
import { type Connection, isLoopback } from './connection.ts'
import { type Context } from './context.ts'
import { checkKeys } from './doctor-keys.ts'
import { adviseLimits } from './doctor-limits.ts'
import { checkPorts } from './doctor-ports.ts'
import { EXIT, type ExitCode, Failure } from './failure.ts'
import { allMembers, allStatuses } from './pages.ts'
import { plain } from './paint.ts'
import { type SealedStatus } from './secrets.ts'

const CLOCK_MS_MAX = 5_000
const NAMED_MAX = 10

export interface Check {
  readonly name: string
  /** A warning is advice: it fails nothing. */
  readonly state: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly remedy?: string
}

/** Looks at what most often goes wrong, each with its remedy. */
export async function doctor(context: Context): Promise<ExitCode> {
  const client = await context.client()
  const checks = [
    checkAddress(client.connection),
    ...(await checkServer(client)),
    ...(await checkPorts(context, client.connection.url)),
    ...adviseLimits(readLimits(context)),
  ]
  const failedSome = checks.some(({ state }) => state === 'fail')
  if (context.json) await context.printJson({ ok: !failedSome, checks })
  else await context.print(checks.map((check) => render(check, context)).join('\n'))
  return failedSome ? EXIT.failed : EXIT.ok
}

function render({ name, state, detail, remedy }: Check, { paint }: Context): string {
  const colour = ({ ok: 'green', warn: 'yellow', fail: 'red' } as const)[state]
  const line = `${paint(colour, state.padEnd(4))}  ${name}: ${plain(detail)}`
  return state === 'ok' || !remedy ? line : `${line}\n      ${remedy}`
}

function checkAddress({ url }: Connection): Check {
  const name = 'address'
  const parsed = new URL(url)
  const detail = `${url} (${parsed.protocol === 'https:' ? 'TLS' : 'no TLS'})`
  if (parsed.protocol === 'https:' || isLoopback(parsed)) return { name, state: 'ok', detail }
  const remedy =
    'The token crosses the network as it is: put TLS before the admin API, or a tunnel.'
  return { name, state: 'warn', detail, remedy }
}

async function checkServer(client: AdminClient): Promise<readonly Check[]> {
  const ready = await attempt('admin API', () => client.raw('/readyz'))
  if ('state' in ready) return [ready]
  const url = client.connection.url
  const reached: Check = { name: 'admin API', state: 'ok', detail: `${url} answers` }
  const checks = [reached, ...checkReadiness(ready.value), checkClock(ready.value, Date.now())]
  const fleet = await attempt('token', () => allMembers<FleetAnswer>(client))
  if ('state' in fleet) return [...checks, fleet]
  const { tokenFrom } = client.connection
  const token: Check = { name: 'token', state: 'ok', detail: `accepted (from ${tokenFrom})` }
  const statuses = await attempt('backends', () =>
    allStatuses<{ items: readonly Status[] }>(client),
  )
  const backends = 'state' in statuses ? statuses : checkBackends(statuses.value.items)
  const sealed = await attempt('master key', () => client.get<SealedStatus>('secrets/status'))
  const keys = 'state' in sealed ? sealed : checkKeys(sealed.value)
  return [...checks, token, ...checkFleet(fleet.value), backends, keys]
}

async function attempt<Value>(
  name: string,
  ask: () => Promise<Value>,
): Promise<Check | { readonly value: Value }> {
  try {
    return { value: await ask() }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { detail, remedy } = error.facts
    return { name, state: 'fail', detail, ...(remedy ? { remedy } : {}) }
  }
}

interface Readiness {
  readonly ready?: boolean
  readonly reasons?: readonly string[]
  readonly detail?: { readonly bus?: string }
}

/** Of the admin API: whether it can write, and whether what it writes gets out. */
export function checkReadiness({
  status,
  text,
}: Pick<Answered, 'status' | 'text'>): readonly Check[] {
  const { ready, reasons = [], detail } = parseReadiness(text)
  if (ready === undefined) {
    const wrong = `/readyz answered ${status}, and not as a Signalbox admin API does`
    return [fail('readiness', wrong, 'Check --url and SIGNALBOX_URL.')]
  }
  const bus = detail?.bus ?? 'unknown'
  return [
    ready
      ? { name: 'database', state: 'ok', detail: 'answers' }
      : fail(
          'database',
          reasons.join('; ') || 'not ready',
          'Nothing can be changed until it is; look at Postgres and at SIGNALBOX_DATABASE_URL.',
        ),
    bus === 'connected'
      ? { name: 'bus', state: 'ok', detail: bus }
      : fail(
          'bus',
          bus,
          'Changes are kept and reach the proxies later; look at NATS and at SIGNALBOX_NATS_URL.',
        ),
  ]
}

function parseReadiness(text: string): Readiness {
  try {
    return (JSON.parse(text) ?? {}) as Readiness
  } catch {
    return {}
  }
}

export function checkClock({ headers }: Pick<Answered, 'headers'>, nowMs: number): Check {
  const name = 'clock'
  const theirs = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(theirs)) return { name, state: 'warn', detail: 'the server told no time' }
  const differenceMs = nowMs - theirs
  const seconds = Math.round(Math.abs(differenceMs) / 1_000)
  if (Math.abs(differenceMs) <= CLOCK_MS_MAX) {
    return { name, state: 'ok', detail: `as the server's, within ${seconds} s` }
  }
  const way = differenceMs > 0 ? 'ahead of' : 'behind'
  const detail = `this machine is ${seconds} s ${way} the server`
  return {
    name,
    state: 'warn',
    detail,
    remedy: 'Run NTP on both; the log has the times of the server.',
  }
}

export function checkFleet({ head, live, members }: FleetAnswer): readonly Check[] {
  const proxies = members.filter((one) => one.role === 'proxy' && one.live)
  const behind = proxies.filter(({ lag }) => lag > 0)
  const refusing = members.filter((one) => one.live && one.nacks.length > 0)
  const gone = members.filter((one) => !one.live)
  const hasProbe = members.some((one) => one.role === 'probe' && one.live)
  const ok = (name: string, detail: string): Check => ({ name, state: 'ok', detail })
  return [
    live === 0
      ? fail(
          'proxies',
          'no proxy is live',
          'Start one; see that it reaches the same bus and fleet.',
        )
      : ok('proxies', `${live} live`),
    behind.length > 0
      ? fail(
          'lag',
          `behind revision ${head.revision}: ${listed(behind, (one) => `${one.id} (${one.lag})`)}`,
          'Ask again in a moment; if it stays, look at the log of the proxy and at the bus.',
        )
      : ok('lag', `every live proxy has revision ${head.revision}`),
    refusing.length > 0
      ? fail(
          'refusals',
          listed(refusing, ({ id, nacks }) => `${id}: ${nacks.map(nackOf).join(', ')}`),
          'Correct the resource, or go back: signalbox rollback REVISION --only KIND/ID.',
        )
      : ok('refusals', 'no proxy refuses a revision'),
    ...(gone.length > 0
      ? [
          warn(
            'offline',
            listed(gone, ({ id }) => id),
            'They are forgotten after a day.',
          ),
        ]
      : []),
    hasProbe
      ? ok('probe', 'live')
      : warn('probe', 'no health probe is live', 'Start one: without it health is unknown.'),
  ]
}

function nackOf(nack: FleetAnswer['members'][number]['nacks'][number]): string {
  return `${nack.resource} ${nack.id} of revision ${nack.revision}: ${nack.message}`
}

export function checkBackends(statuses: readonly Status[]): Check {
  const name = 'backends'
  if (statuses.length === 0) {
    return warn(name, 'there are none', 'Add one: signalbox apply -f FILE.')
  }
  const down = statuses.filter(({ health }) => health === 'down')
  if (down.length === 0) return { name, state: 'ok', detail: `none of ${statuses.length} is down` }
  const detail = listed(down, ({ backend, error }) => `${backend} (${error ?? 'no reason known'})`)
  const remedy =
    'Start them, or correct their url and credential; `signalbox status` has the times.'
  return fail(name, `down: ${detail}`, remedy)
}

function fail(name: string, detail: string, remedy: string): Check {
  return { name, state: 'fail', detail, remedy }
}

function warn(name: string, detail: string, remedy: string): Check {
  return { name, state: 'warn', detail, remedy }
}

function listed<Item>(items: readonly Item[], nameOf: (item: Item) => string): string {
  const more = items.length > NAMED_MAX ? [`and ${items.length - NAMED_MAX} more`] : []
  return [...items.slice(0, NAMED_MAX).map(nameOf), ...more].join(', ')
}

/** Of Linux alone: elsewhere there is nothing to read. */
function readLimits({ io }: Context) {
  const read = (path: string) => {
    try {
      return io.platform === 'linux' ? readFileSync(path, 'utf8') : null
    } catch {
      return null
    }
  }
  return { limits: read('/proc/self/limits'), somaxconn: read('/proc/sys/net/core/somaxconn') }
}
