import { type Clock } from '@signalbox/host'
import { type Store } from '@signalbox/store'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type Fleet } from './fleet.ts'
import { presentMember, presentStatus } from './observed.ts'
import { type Statuses } from './statuses.ts'

const CLIENTS_MAX = 200
/** Bytes that may wait for a slow client; above it the client is cut and connects again. */
const WAITING_BYTES_MAX = 1_048_576
const KEEP_ALIVE_MS = 15_000

export interface EventsDeps {
  readonly store: Store
  readonly fleet: Fleet
  readonly statuses: Statuses
  readonly clock: Clock
}

/** Server-sent events: revisions, members and statuses as they come. */
export class Events {
  readonly #clients = new Set<FastifyReply['raw']>()
  readonly #ends: (() => void)[]
  #head = 0

  constructor({ store, fleet, statuses, clock }: EventsDeps) {
    const revision = async () => {
      const { revision: head } = await store.head()
      if (head > this.#head) this.#send('revision', { revision: head })
      this.#head = Math.max(this.#head, head)
    }
    this.#ends = [
      store.onAppend(() => void (this.#clients.size > 0 && revision().catch(() => {}))),
      fleet.onChange((heartbeat) => {
        const member = { heartbeat, seenAtMs: clock.nowMs(), live: true }
        this.#send('member', presentMember(member, Math.max(this.#head, heartbeat.active)))
      }),
      statuses.onChange((status) => this.#send('status', presentStatus(status.backend, status))),
      clock.every(KEEP_ALIVE_MS, () => this.#write(': keep-alive\n\n')),
    ]
  }

  serve(request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = reply
    reply.hijack()
    if (this.#clients.size >= CLIENTS_MAX) {
      raw.writeHead(503, { 'retry-after': '5' }).end()
      return
    }
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    raw.write(': connected\n\n')
    this.#clients.add(raw)
    request.raw.on('close', () => this.#clients.delete(raw))
    raw.on('error', () => this.#clients.delete(raw))
  }

  close(): void {
    for (const end of this.#ends) end()
    for (const client of this.#clients) client.end()
    this.#clients.clear()
  }

  #send(event: string, data: unknown): void {
    if (this.#clients.size > 0) this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > WAITING_BYTES_MAX) client.destroy()
      else client.write(text)
    }
  }
}
