// A fleet under faults that a seed draws, with clients and a writer all the time.
import { setTimeout } from 'node:timers/promises'
import { eventually, seededRandom } from '@signalbox/testing'
import { BODY, call, type Clients, MODEL, startClients } from './clients.ts'
import { drawFault, type Fault, pick, type Random } from './faults.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { problemsAfter } from './invariants.ts'
import { admin, startWriter, type Writer } from './writer.ts'

export interface ChaosOptions {
  readonly seed: number
  /** Whether to go on after so many faults. */
  readonly goesOn: (faults: number) => boolean
  readonly say?: (line: string) => void
}

export interface ChaosOutcome {
  readonly problems: readonly string[]
  /** What was done, in order. */
  readonly log: readonly string[]
  /** Names of the faults that began. */
  readonly faults: ReadonlySet<string>
  readonly requests: number
  /** Requests that were under way at what was killed. */
  readonly cut: number
  readonly writes: number
}

const UP_MS_MAX = 180_000
const AT_ONCE = 2
/** Requests between two steps, and one write; where a fault holds these up, no longer than this. */
const REQUESTS_A_STEP = 24
const STEP_MS_MAX = 3_000

export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const fleet = await startFleet()
  try {
    await configure(fleet)
    const clients = startClients(fleet)
    const writer = startWriter(fleet.of('admin'))
    const log: string[] = []
    const faults = new Set<string>()
    const say = (line: string) => {
      log.push(line)
      options.say?.(line)
    }
    try {
      await breakThings(fleet, { clients, writer }, { ...options, say, faults })
      await Promise.all([clients.stop(), writer.stop()])
      const found = await problemsAfter(fleet, writer).catch((error: unknown) => [String(error)])
      const problems = [...problemsOf(fleet, { clients, writer }), ...found]
      for (const problem of problems) say(problem)
      const { size: writes } = writer.written
      return { problems, log, faults, requests: clients.whole(), cut: clients.cut(), writes }
    } finally {
      for (const part of fleet.parts) part.goOn()
      void clients.stop()
      void writer.stop()
    }
  } finally {
    await fleet.end()
  }
}

function problemsOf(fleet: Fleet, { clients, writer }: Load): readonly string[] {
  const ended = fleet.parts.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
  return [...ended, ...clients.problems, ...writer.problems]
}

/** Two backends of one model, and a route that tries the other one where one cannot be reached. */
async function configure(fleet: Fleet): Promise<void> {
  const [one] = fleet.of('admin')
  if (!one) throw new Error('there is no admin API')
  const upWithin = { timeoutMs: UP_MS_MAX, periodMs: 100 }
  await eventually(async () => (await call(one.address, '/readyz')).status === 200, upWithin)
  for (const [index, { address }] of fleet.of('backend').entries()) {
    const health = { intervalMs: 500 }
    const spec = { kind: 'openai-compatible', url: `http://${address}`, models: [MODEL], health }
    const body = { id: `b${index}`, spec }
    const { status, text } = await admin(one, 'backends', { method: 'POST', body })
    if (status >= 300) throw new Error(text)
  }
  for (const { address } of fleet.of('proxy')) {
    await eventually(async () => {
      const { status, text } = await call(address, '/v1/chat/completions', { body: BODY })
      if (status !== 200) throw new Error(`${status} ${text}`)
      return true
    }, upWithin)
  }
}

interface Load {
  readonly clients: Clients
  readonly writer: Writer
}

interface Breaking extends ChaosOptions {
  readonly say: (line: string) => void
  readonly faults: Set<string>
}

async function breakThings(
  fleet: Fleet,
  { clients, writer }: Load,
  { seed, goesOn, say, faults }: Breaking,
): Promise<void> {
  const random = seededRandom(seed)
  const open: Fault[] = []
  let count = 0
  const end = async (fault: Fault) => {
    open.splice(open.indexOf(fault), 1)
    say(`  ends: ${fault.name} (${fault.target})`)
    await fault.end()
  }
  while (goesOn(count) && problemsOf(fleet, { clients, writer }).length === 0) {
    const fault = mayBegin(open, random) ? drawFault(fleet, random, targetsOf(open)) : undefined
    if (fault) {
      say(`${++count}: ${fault.name} (${fault.target})`)
      faults.add(fault.name)
      open.push(fault)
      await fault.begin()
    } else if (open.length > 0) await end(pick(random, open))
    await progress({ clients, writer })
  }
  for (const fault of [...open]) await end(fault)
}

function mayBegin(open: readonly Fault[], random: Random): boolean {
  return open.length === 0 || (open.length < AT_ONCE && random() < 0.5)
}

function targetsOf(open: readonly Fault[]): ReadonlySet<string> {
  return new Set(open.map(({ target }) => target))
}

/** Until clients and writer were answered some more. */
async function progress({ clients, writer }: Load): Promise<void> {
  const [requests, writes] = [clients.whole() + REQUESTS_A_STEP, writer.written.size]
  const cancel = new AbortController()
  let over = false
  void setTimeout(STEP_MS_MAX, undefined, { signal: cancel.signal }).then(
    () => (over = true),
    () => {},
  )
  await eventually(() => over || (clients.whole() >= requests && writer.written.size > writes))
  cancel.abort()
}
