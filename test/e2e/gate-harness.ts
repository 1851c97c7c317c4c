// A relay that stops a process at a point of its work, as the wire shows it: when it sends what it
// is known to send there, or when that was answered. The product needs no hook for it.
import { connect, createServer, type Socket } from 'node:net'

export interface Point {
  /** What the process sends there. */
  readonly sends: string
  /** `before`: it is not passed on. `after`: it is, and the answer is held. */
  readonly stop: 'before' | 'after'
  /** Only behind this on the same connection. */
  readonly behind?: string
  /** Whether the answer is there in full; the first part of it is enough where this is not given. */
  readonly answered?: (held: Buffer) => boolean
}

export interface Gate {
  /** Where the process finds the relay instead of its peer. */
  readonly url: string
  /** Resolves when a connection stands at the point, with what is held of the answer. */
  arm(point: Point): Promise<Buffer>
  /** Cuts what stands, and passes everything from now on. */
  open(): void
  close(): Promise<void>
}

interface Armed {
  readonly point: Point
  readonly reach: (held: Buffer) => void
}

/** Postgres says ReadyForQuery when it has done all that was asked. */
export function isReadyForQuery(held: Buffer): boolean {
  return (
    held.length >= 6 && held.at(-6) === 'Z'.charCodeAt(0) && held.readInt32BE(held.length - 5) === 5
  )
}

export async function openGate(peer: string): Promise<Gate> {
  const { hostname, port } = new URL(peer)
  const lines = new Set<Line>()
  let armed: Armed | null = null
  const server = createServer((near) => {
    const line = new Line({ near, far: connect(Number(port), hostname) }, () => armed)
    lines.add(line)
    line.near.on('close', () => lines.delete(line))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = new URL(peer)
  url.host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const cut = (which: (line: Line) => boolean) => {
    for (const line of lines) if (which(line)) line.cut()
  }
  return {
    url: url.href,
    arm: (point) => new Promise((reach) => (armed = { point, reach })),
    open: () => {
      armed = null
      cut(({ stands }) => stands)
    },
    close: async () => {
      cut(() => true)
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

class Line {
  readonly near: Socket
  stands = false
  readonly #far: Socket
  #behind = false
  #held = Buffer.alloc(0)
  #holding: Armed | null = null

  constructor({ near, far }: { near: Socket; far: Socket }, armed: () => Armed | null) {
    this.near = near
    this.#far = far
    for (const socket of [near, far]) socket.on('error', () => {}).on('close', () => this.cut())
    near.on('data', (data: Buffer) => this.#forth(data, armed()))
    far.on('data', (data: Buffer) => this.#back(data))
  }

  cut(): void {
    this.near.destroy()
    this.#far.destroy()
  }

  #forth(data: Buffer, armed: Armed | null): void {
    if (armed && !this.stands) {
      const { behind, sends, stop } = armed.point
      if (behind === undefined || data.includes(behind)) this.#behind = true
      if (this.#behind && data.includes(sends)) {
        this.stands = true
        if (stop === 'before') armed.reach(this.#held)
        else this.#holding = armed
      }
    }
    if (!this.stands || this.#holding) this.#far.write(data)
  }

  #back(data: Buffer): void {
    if (!this.stands) return void this.near.write(data)
    this.#held = Buffer.concat([this.#held, data])
    const { point, reach } = this.#holding ?? {}
    if (point && (point.answered?.(this.#held) ?? true)) reach?.(this.#held)
  }
}
