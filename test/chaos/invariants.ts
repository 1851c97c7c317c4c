// What must hold when all that was broken is whole again.
import { openDiskCopy } from '@signalbox/bus'
import { canonicalJson, collection, RESOURCES, type Snapshot } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { call } from './clients.ts'
import { type Fleet } from './fleet.ts'
import { type Part } from './parts.ts'
import { admin, type Writer } from './writer.ts'

/** Retries wait half a minute at most, and a machine may be slow. */
const CONVERGED_MS_MAX = 300_000
const PAGE = 200

export interface Recorded {
  readonly revision: number
  readonly reason: string | null
  readonly hash: string
}

/** Waits until every proxy is where the log ends; then answers what is wrong with all of it. */
export async function problemsAfter(fleet: Fleet, { written }: Writer): Promise<string[]> {
  const [one] = fleet.of('admin')
  if (!one) throw new Error('there is no admin API')
  const head = await converged(fleet, one)
  const recorded = await history(one)
  return [
    ...ofHistory(recorded, head),
    ...ofWrites(recorded, written),
    ...(await ofChain(one)),
    ...(await ofCopies(fleet, recorded)),
  ]
}

/** The revision that all proxies are live at. */
function converged(fleet: Fleet, one: Part): Promise<number> {
  const check = async () => {
    const { status, json } = await admin(one, 'fleet')
    if (status !== 200) throw new Error(`the fleet is not told: ${status}`)
    const { revision } = json.head
    const members: { id: string; state: string; received: number; active: number }[] = json.members
    for (const { name, address } of fleet.of('proxy')) {
      const member = members.find(({ id }) => id === name)
      const is = `${name} is ${JSON.stringify(member)}, the log at ${revision}`
      if (member?.state !== 'live') throw new Error(is)
      if (member.received !== revision || member.active !== revision) throw new Error(is)
      const { status: answered, headers } = await call(address, '/v1/models')
      const at = headers['x-signalbox-revision'] ?? revision
      if (answered !== 200 || Number(at) !== revision) throw new Error(`${is}, models at ${at}`)
    }
    return revision as number
  }
  return eventually(check, { timeoutMs: CONVERGED_MS_MAX, periodMs: 100 })
}

/** All of it, oldest first. */
async function history(one: Part): Promise<readonly Recorded[]> {
  const all: Recorded[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const from: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { json } = await admin(one, `revisions?limit=${PAGE}${from}`)
    all.push(...(json.items as readonly Recorded[]))
    cursor = json.nextCursor
  }
  return all.reverse()
}

export function ofHistory(recorded: readonly Recorded[], head: number): string[] {
  const dense = recorded.every(({ revision }, index) => revision === index + 1)
  const whole = dense && recorded.length === head
  return whole ? [] : [`the history is not 1 to ${head}: ${recorded.map((one) => one.revision)}`]
}

/** What was answered is there once, where it was said to be; what was not, at most once. */
export function ofWrites(
  recorded: readonly Recorded[],
  written: ReadonlyMap<string, number>,
): readonly string[] {
  const problems: string[] = []
  const byReason = Map.groupBy(recorded, ({ reason }) => reason ?? '')
  for (const [reason, revision] of written) {
    const there = (byReason.get(reason) ?? []).map((one) => one.revision)
    if (there.length === 1 && there[0] === revision) continue
    problems.push(`${reason} was answered as revision ${revision}, the log has it at [${there}]`)
  }
  for (const [reason, there] of byReason) {
    if (reason.startsWith('chaos-') && there.length > 1) problems.push(`${reason} is there twice`)
  }
  return problems
}

async function ofChain(one: Part): Promise<readonly string[]> {
  const { json } = await admin(one, 'audit/verify')
  return json.ok ? [] : [`the log is not whole: ${JSON.stringify(json.problems)}`]
}

/** All proxies hold the same, of the log's own hash. */
async function ofCopies(fleet: Fleet, recorded: readonly Recorded[]): Promise<readonly string[]> {
  const problems: string[] = []
  const texts = new Set<string>()
  for (const proxy of fleet.of('proxy')) {
    const { snapshot } = await openDiskCopy(fleet.diskOf(proxy)).load()
    const hash = snapshot?.head.hash
    if (hash !== recorded.at(-1)?.hash) problems.push(`${proxy.name} is at hash ${hash}`)
    if (snapshot) texts.add(contentOf(snapshot))
  }
  if (texts.size !== 1) problems.push(`proxies hold ${texts.size} different configurations`)
  return problems
}

/** In one order: a fold has another one than a snapshot that was taken. */
function contentOf(snapshot: Snapshot): string {
  const all = RESOURCES.map((name) => {
    const entries = [...collection(snapshot, name).entries()]
    return [name, Object.fromEntries(entries)] as const
  })
  return canonicalJson({ head: snapshot.head, ...Object.fromEntries(all) })
}
