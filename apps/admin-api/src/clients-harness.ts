// Seeded clients that call several instances of the admin API at once, break off, repeat and race
// themselves, and write down what they asked and heard. The seed gives each client its plan; when
// the calls meet is up to the machine.
import { request } from 'node:http'
import { sha256, silentLog, systemClock } from '@signalbox/host'
import { ChainCheck, type RevisionBody } from '@signalbox/model'
import { openStore } from '@signalbox/store'
import { seededRandom } from '@signalbox/testing'
import { SPEC, TOKENS } from './api-harness.ts'
import {
  type Answer,
  type Ask,
  type Entry,
  type Operation,
  type Value,
  type Version,
} from './history-harness.ts'

const CLIENTS = 6
const CALLS_EACH = 50
const IDS = ['a', 'b', 'c', 'd']
/** Turns of the event loop after which a call is broken off: from before it is read to its end. */
const CUT_TURNS_MAX = 60

/** How a call is made. */
type Way =
  | 'plainly'
  /** Broken off, and left at that. */
  | 'cut'
  /** With a key; broken off, and repeated elsewhere until there is an answer. */
  | 'repeated'
  /** With a key, on two instances at once. */
  | 'twins'
  /** With a key, and once more after the answer. */
  | 'again'
  /** Half of the body. */
  | 'half'
  | 'dry run'

interface Call {
  readonly tag: string
  readonly ask: Ask
  readonly way: Way
}

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface Recorded {
  readonly operations: readonly Operation[]
  /** Answers under one key that should have been the same bytes, and are not. */
  readonly different: readonly string[]
  readonly ways: ReadonlyMap<Way, number>
}

/** `before` is told how many calls were begun, and holds the next one up as long as it likes. */
export async function runClients(
  bases: readonly string[],
  seed: number,
  before: (begun: number) => Promise<unknown> | void = () => {},
): Promise<Recorded> {
  let now = 0
  let begun = 0
  const shared = { bases, seed, tick: () => ++now, before: () => before(begun++) }
  const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index, shared))
  const settled = await Promise.allSettled(clients.map((client) => client.run()))
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  const ways = clients.flatMap((client) => client.ways)
  return {
    operations: clients.flatMap((client) => client.operations),
    different: clients.flatMap((client) => client.different),
    ways: new Map([...Map.groupBy(ways, (way) => way)].map(([way, all]) => [way, all.length])),
  }
}

interface Shared {
  readonly bases: readonly string[]
  readonly seed: number
  /** The next place in the order of all beginnings and ends. */
  readonly tick: () => number
  readonly before: () => Promise<unknown> | void
}

class Client {
  readonly operations: Operation[] = []
  readonly different: string[] = []
  readonly ways: Way[] = []
  readonly #name: string
  readonly #bases: readonly string[]
  readonly #random: () => number
  readonly #tick: () => number
  readonly #before: () => Promise<unknown> | void
  /** Revisions as this client last saw them. */
  readonly #seen = new Map<string, number>()

  constructor(index: number, { bases, seed, tick, before }: Shared) {
    this.#tick = tick
    this.#before = before
    this.#name = `c${index}`
    this.#bases = bases
    this.#random = seededRandom(seed * 1_000 + index)
  }

  async run(): Promise<void> {
    for (let turn = 0; turn < CALLS_EACH; turn++) {
      const tag = `${this.#name}-${turn}`
      const ask = this.#plan(tag)
      const way = this.#way(ask)
      this.ways.push(way)
      await this.#before()
      const invokedAt = this.#tick()
      const answer = await this.#perform({ tag, ask, way })
      const returnedAt = answer ? this.#tick() : Infinity
      this.operations.push({ tag, ask, invokedAt, returnedAt, answer })
      this.#learn(ask, answer)
    }
  }

  #pick<One>(all: readonly One[]): One {
    return all[Math.floor(this.#random() * all.length)] as One
  }

  #plan(tag: string): Ask {
    const id = this.#pick(IDS)
    const seen = this.#seen.get(id)
    const ifMatch = seen !== undefined && this.#random() < 0.5 ? seen : null
    const roll = this.#random()
    if (roll < 0.2) return { kind: 'read', id }
    if (roll < 0.28) return { kind: 'list' }
    if (roll < 0.4) return { kind: 'delete', id, ifMatch }
    if (roll < 0.55) return { kind: 'create', id, value: { whole: tag }, ifMatch: null }
    if (roll < 0.7) return { kind: 'put', id, value: { whole: tag }, ifMatch }
    // Each client has a label of its own: a lost update shows in those of the others.
    return { kind: 'patch', id, value: { [this.#name]: tag }, ifMatch }
  }

  #way({ kind }: Ask): Way {
    const roll = this.#random()
    if (kind === 'read' || kind === 'list') return roll < 0.1 ? 'cut' : 'plainly'
    if (roll < 0.1) return 'cut'
    if (roll < 0.3) return 'repeated'
    if (roll < 0.45) return 'twins'
    if (roll < 0.55) return 'again'
    if (roll < 0.6) return kind === 'delete' ? 'plainly' : 'half'
    return roll < 0.65 ? 'dry run' : 'plainly'
  }

  async #perform(call: Call): Promise<Answer | null> {
    const { ask, way } = call
    const first = this.#pick(this.#bases)
    const second = this.#pick(this.#bases)
    const cutAfter = Math.floor(this.#random() * CUT_TURNS_MAX)
    switch (way) {
      case 'plainly':
        return answerOf(ask, await send(first, call))
      case 'cut':
        return answerOf(ask, await send(first, call, cutAfter))
      case 'half':
      case 'dry run': {
        const reply = await send(first, call)
        if (reply && reply.status >= 500) throw new Error(bytesOf(reply))
        return { kind: 'never' }
      }
      case 'repeated': {
        const reply = await send(first, call, cutAfter)
        return reply ? answerOf(ask, reply) : this.#repeat(second, call)
      }
      case 'twins':
        return this.#sameOf(call, await Promise.all(this.#bases.map((base) => send(base, call))))
      case 'again':
        return this.#sameOf(call, [await send(first, call), await send(second, call)])
    }
  }

  /**
   * A refusal is not kept under the key, and the first call may still be waiting for its turn: then
   * the refusal is that of a call of its own, and how the first one ends stays unknown.
   */
  async #repeat(base: string, call: Call): Promise<Answer | null> {
    const invokedAt = this.#tick()
    const answer = answerOf(call.ask, await send(base, call))
    if (!answer || answer.kind === 'wrote') return answer
    const { ask } = call
    const tag = `${call.tag}-repeated`
    this.operations.push({ tag, ask, invokedAt, returnedAt: this.#tick(), answer })
    return null
  }

  /**
   * One that was refused leaves the key free for the other: then that one's answer counts. Where
   * one was not heard of, it may be the one that came to be.
   */
  #sameOf({ tag, ask }: { tag: string; ask: Ask }, replies: readonly (Reply | null)[]) {
    const answers = replies.map((reply) => answerOf(ask, reply))
    const done = replies.filter((_, index) => answers[index]?.kind === 'wrote')
    if (new Set(done.map(bytesOf)).size > 1) this.different.push(`${tag}: ${done.map(bytesOf)}`)
    const wrote = answers.find((answer) => answer?.kind === 'wrote')
    return wrote ?? (answers.includes(null) ? null : (answers.at(-1) ?? null))
  }

  #learn(ask: Ask, answer: Answer | null): void {
    if (answer?.kind === 'listed') {
      for (const [id, { revision }] of answer.items) this.#seen.set(id, revision)
    }
    if (ask.kind === 'list') return
    if (answer?.kind === 'wrote') this.#seen.set(ask.id, answer.revision)
    if (answer?.kind === 'found') this.#seen.set(ask.id, answer.version.revision)
  }
}

function bytesOf(reply: Reply | null): string {
  const { status, headers, text } = reply ?? { status: 0, headers: {}, text: '' }
  const { etag, location, 'x-signalbox-revision': revision } = headers
  return JSON.stringify([status, etag, location, revision, text])
}

const METHODS = {
  ...{ create: 'POST', put: 'PUT', patch: 'PATCH', delete: 'DELETE', read: 'GET', list: 'GET' },
} as const

function send(base: string, { tag, ask, way }: Call, cutAfter?: number): Promise<Reply | null> {
  const inList = ask.kind === 'list' || ask.kind === 'create'
  const query = way === 'dry run' ? '?dryRun=true' : ''
  const body = Buffer.from('value' in ask ? JSON.stringify(bodyOf(ask)) : '')
  const keyed = way === 'repeated' || way === 'twins' || way === 'again'
  const sent = request(`${base}/admin/v1/backends${inList ? '' : `/${ask.id}`}${query}`, {
    method: METHODS[ask.kind],
    agent: false,
    headers: {
      authorization: `Bearer ${TOKENS.admin}`,
      'x-request-id': tag,
      ...(body.length > 0 ? { 'content-type': 'application/json' } : {}),
      ...(body.length > 0 ? { 'content-length': body.length } : {}),
      ...(keyed ? { 'idempotency-key': tag } : {}),
      ...('ifMatch' in ask && ask.ifMatch !== null ? { 'if-match': `"${ask.ifMatch}"` } : {}),
    },
  })
  return new Promise((resolve) => {
    sent.on('error', () => resolve(null)).on('close', () => resolve(null))
    sent.on('response', (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part)).on('error', () => resolve(null))
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, text: Buffer.concat(parts).toString('utf8') })
      })
    })
    const cut = () => sent.destroy()
    if (way === 'half') sent.write(body.subarray(0, body.length / 2), () => afterTurns(5, cut))
    else sent.end(body)
    if (cutAfter !== undefined) afterTurns(cutAfter, cut)
  })
}

function afterTurns(turns: number, run: () => void): void {
  if (turns === 0) run()
  else setImmediate(() => afterTurns(turns - 1, run))
}

function bodyOf({ kind, id, value }: Extract<Ask, { value: Value }>): object {
  const spec = kind === 'patch' ? { labels: value } : { ...SPEC, labels: value }
  return kind === 'create' ? { id, spec } : { spec }
}

const REFUSALS: Readonly<Record<string, Answer>> = {
  '404 not_found': { kind: 'missing' },
  '409 already_exists': { kind: 'exists' },
  '412 precondition_failed': { kind: 'stale' },
}

interface Presented {
  readonly id: string
  readonly revision: number
  readonly spec: { readonly labels: Value }
}

/** What a reply says; null where nothing came. Anything that no call may be answered is thrown. */
function answerOf(ask: Ask, reply: Reply | null): Answer | null {
  if (!reply) return null
  const { status, headers, text } = reply
  const revision = Number(headers['x-signalbox-revision'])
  const json = text === '' ? {} : JSON.parse(text)
  if (status >= 400) {
    const refusal = REFUSALS[`${status} ${json.code}`]
    if (refusal) return refusal
  } else if (ask.kind === 'list') {
    const items = (json.items as Presented[]).map((one) => [one.id, versionOf(one)] as const)
    return { kind: 'listed', revision, items: new Map(items) }
  } else if (ask.kind === 'delete') {
    if (status === 204) return { kind: 'wrote', revision, value: null }
  } else if (headers['etag'] === `"${json.revision}"`) {
    const version = versionOf(json)
    if (ask.kind === 'read') return { kind: 'found', version }
    if (version.revision === revision) return { kind: 'wrote', ...version }
  }
  throw new Error(`${ask.kind} was answered ${status} ${JSON.stringify(headers)} ${text}`)
}

function versionOf({ revision, spec }: Presented): Version {
  return { revision, value: spec.labels }
}

/** The log as Postgres has it, past every process; whole, or the test fails. */
export async function readLog(url: string): Promise<readonly Entry[]> {
  const options = { url, fleet: 'default', clock: systemClock, log: silentLog }
  const store = await openStore(options)
  const chain = new ChainCheck(sha256)
  const entries: Entry[] = []
  try {
    const derived = await store.readWhole((message) => {
      const body = JSON.parse(message.body) as RevisionBody
      for (const { id, spec } of body.events) {
        const value = spec && 'labels' in spec ? spec.labels : null
        entries.push({ revision: message.revision, tag: body.requestId, id, value })
      }
      return chain.next(message)
    })
    expect([chain.end().problems, derived]).toEqual([[], []])
  } finally {
    await store.close()
  }
  return entries
}
