// A way to the database that a test can break: a TCP relay in front of Postgres.
import { connect, createServer, type Socket } from 'node:net'

export interface Wire {
  /** The database's URL by way of the relay. */
  readonly url: string
  /** Cuts all connections when the server answers what contains this text. */
  cutAfter(text: string): void
  /** Cuts all connections now, and refuses new ones until `mend()`. */
  cut(): void
  /** Goes on without an answer: what was sent is not passed on, in either direction. */
  silence(): void
  /** As in the beginning. Connections that were silenced are cut. */
  mend(): void
  close(): Promise<void>
}

export async function openWire(databaseUrl: string): Promise<Wire> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let state: 'whole' | 'cut' | 'silent' = 'whole'
  let trigger: string | null = null
  let triggered = false

  const cutAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  // Half-open, as a process that is frozen does not answer an end either.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (state === 'cut') return void near.destroy()
    const far = connect(Number(target.port), target.hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    near.on('data', (data) => {
      if (trigger !== null && data.includes(trigger)) triggered = true
      if (state === 'whole') far.write(data)
    })
    near.on('end', () => {
      if (state === 'whole') far.end()
    })
    far.on('data', (data) => {
      if (triggered) return cutAll()
      if (state === 'whole') near.write(data)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = new URL(databaseUrl)
  url.port = String(typeof address === 'object' ? address?.port : '')

  return {
    url: url.href,
    cutAfter: (text) => (trigger = text),
    cut: () => {
      state = 'cut'
      cutAll()
    },
    silence: () => (state = 'silent'),
    mend: () => {
      if (state === 'silent') cutAll()
      ;[state, trigger, triggered] = ['whole', null, false]
    },
    close: async () => {
      cutAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
