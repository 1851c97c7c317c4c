import { type Clock } from '@signalbox/host'
import { type Store } from '@signalbox/store'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type Fleet } from './fleet.ts'
import { presentMember, presentStatus } from './observed.ts'
import { type Releases } from './releases.ts'
import { type Statuses } from './statuses.ts'

const CLIENTS_MAX = 200
/** Bytes that may wait for a slow client; above it the client is cut and connects again. */
const WAITING_BYTES_MAX = 1_048_576
const KEEP_ALIVE_MS = 15_000

export interface EventsDeps {
  readonly store: Store
  readonly fleet: Fleet
  readonly statuses: Statuses
  readonly releases: Pick<Releases, 'onChange'>
  readonly clock: Clock
}

/**
 * Server-sent events: where the log ends first, then revisions, members, statuses and releases as
 * they come.
 */
export class Events {
  readonly #store: Store
  readonly #clients = new Set<FastifyReply['raw']>()
  readonly #ends: (() => void)[]
  #head = { lineage: '', epoch: 0, revision: 0 }
  /** Clients that are about to be told where the log ends. */
  #opening = 0
  #closed = false

  constructor({ store, fleet, statuses, releases, clock }: EventsDeps) {
    this.#store = store
    this.#ends = [
      store.onAppend(() => {
        if (this.#clients.size + this.#opening > 0) void this.#look()
      }),
      fleet.onChange((heartbeat) => {
        const member = { heartbeat, seenAtMs: clock.nowMs(), live: true }
        this.#send('member', presentMember(member, this.#head))
      }),
      statuses.onChange((status) => this.#send('status', presentStatus(status.backend, status))),
      releases.onChange((release) => this.#send('release', release)),
      clock.every(KEEP_ALIVE_MS, () => this.#write(': keep-alive\n\n')),
    ]
  }

  async serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { raw } = reply
    reply.hijack()
    this.#opening++
    await this.#look().finally(() => this.#opening--)
    if (this.#closed || this.#clients.size >= CLIENTS_MAX) {
      raw.writeHead(503, { 'retry-after': '5' }).end()
      return
    }
    raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      connection: 'close',
    })
    if (request.method === 'HEAD') {
      raw.end()
      return
    }
    raw.on('close', () => this.#clients.delete(raw))
    raw.on('error', () => this.#clients.delete(raw))
    raw.write(messageOf('revision', { revision: this.#head.revision }))
    if (!raw.destroyed) this.#clients.add(raw)
  }

  close(): void {
    this.#closed = true
    for (const end of this.#ends) end()
    for (const client of this.#clients) client.end()
    this.#clients.clear()
  }

  /** A database that does not answer is no reason to cut anybody: the next look tells. */
  async #look(): Promise<void> {
    const head = await this.#store.head().catch(() => this.#head)
    const { lineage, epoch, revision } = this.#head
    if (head.lineage === lineage && head.epoch === epoch && head.revision <= revision) return
    this.#head = head
    this.#send('revision', { revision: head.revision })
  }

  #send(event: string, data: unknown): void {
    if (this.#clients.size > 0) this.#write(messageOf(event, data))
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > WAITING_BYTES_MAX) client.destroy()
      else client.write(text)
    }
  }
}

function messageOf(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
