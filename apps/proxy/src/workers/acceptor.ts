import { createServer, type Server, type Socket } from 'node:net'
import { type Clock, listen, type ListenAddress } from '@signalbox/host'
import { PROXY_LISTEN } from '../config.ts'
import { type Member } from './member.ts'

/** Connections that wait while no worker can take one. More are refused. */
const WAITING_MAX = 1_024
/** Connections that one worker has been given and has not taken yet. */
const GIVEN_MAX = 16
/** A worker that has taken none for so long is passed over while there are others. */
const SLOW_MS = 100

export interface AcceptorOptions {
  readonly members: () => Iterable<Member>
  readonly clock: Clock
}

/**
 * Listens for all workers and gives them the connections in turn. One that does not take what it
 * was given is passed over, so that a worker that is stuck gets few. The parent keeps a connection
 * open until a worker has taken it, so that none is lost with a worker that dies on the way.
 */
export class Acceptor {
  readonly #servers: readonly Server[]
  readonly #members: () => Iterable<Member>
  readonly #waiting: Socket[] = []
  readonly #given = new Map<number, { readonly socket: Socket; readonly member: Member }>()
  readonly #debts = new Map<Member, Debt>()
  readonly #clock: Clock
  #last = 0
  #turn = 0
  shed = 0

  constructor(addresses: readonly ListenAddress[], { members, clock }: AcceptorOptions) {
    this.#clock = clock
    this.#members = members
    // As node:http sets up its own.
    const options = { pauseOnConnect: true, noDelay: true, allowHalfOpen: true }
    this.#servers = addresses.map(() => createServer(options, (socket) => this.#accept(socket)))
  }

  listen(addresses: readonly ListenAddress[]): Promise<readonly ListenAddress[]> {
    return Promise.all(
      addresses.map((address, index) => {
        const server = this.#servers[index]
        if (!server) throw new Error('an address without a server')
        return listen(server, address, PROXY_LISTEN.name)
      }),
    )
  }

  /** The worker has it. */
  taken(id: number): void {
    const given = this.#given.get(id)
    if (!given) return
    this.#given.delete(id)
    this.#owe(given.member, -1)
    // Closes the parent's copy; the connection is the worker's.
    given.socket.destroy()
    this.distribute()
  }

  /** The worker has ended: what it had not taken goes to others. */
  gone(member: Member): void {
    this.#debts.delete(member)
    for (const [id, given] of this.#given) {
      if (given.member !== member) continue
      this.#given.delete(id)
      this.#waiting.unshift(given.socket)
    }
    this.distribute()
  }

  /** To be called when a worker is up. */
  distribute(): void {
    while (this.#waiting.length > 0) {
      const member = this.#next()
      if (!member) return
      const socket = this.#waiting.shift()
      if (!socket || socket.destroyed) continue
      this.#turn++
      const id = ++this.#last
      this.#given.set(id, { socket, member })
      this.#owe(member, 1)
      member.give(id, socket)
    }
  }

  /** Accepts no more. What waits is still given; what is left when the workers end is closed. */
  close(): void {
    for (const server of this.#servers) server.close()
  }

  end(): void {
    const given = [...this.#given.values()].map(({ socket }) => socket)
    for (const socket of [...given, ...this.#waiting.splice(0)]) socket.destroy()
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    // Or Node would keep a list of the connections that were sent, for server.getConnections().
    Object.assign(socket, { server: null })
    if (this.#waiting.length >= WAITING_MAX) {
      this.shed++
      return void socket.destroy()
    }
    this.#waiting.push(socket)
    this.distribute()
  }

  /** The next in turn that is not slow; where all are, the next one. */
  #next(): Member | undefined {
    const able = [...this.#members()].filter((member) => this.#mayTake(member))
    const inTurn = able.map((_, step) => able[(this.#turn + step) % able.length])
    const nowMs = this.#clock.monotonicMs()
    return inTurn.find((member) => member && !this.#isSlow(member, nowMs)) ?? inTurn[0]
  }

  #mayTake(member: Member): boolean {
    return member.accepts && (this.#debts.get(member)?.count ?? 0) < GIVEN_MAX
  }

  #isSlow(member: Member, nowMs: number): boolean {
    const debt = this.#debts.get(member)
    return debt !== undefined && debt.count > 0 && nowMs - debt.sinceMs > SLOW_MS
  }

  #owe(member: Member, more: number): void {
    const before = this.#debts.get(member) ?? { count: 0, sinceMs: 0 }
    const isNews = more < 0 || before.count === 0
    const sinceMs = isNews ? this.#clock.monotonicMs() : before.sinceMs
    this.#debts.set(member, { count: before.count + more, sinceMs })
  }
}

/** What a worker was given and has not taken, and when it last took something, or owed nothing. */
interface Debt {
  readonly count: number
  readonly sinceMs: number
}
