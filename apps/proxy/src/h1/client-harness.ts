// A backend by hand, and requests to it through one client or the other.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type Clock, systemClock } from '@signalbox/host'
import { eventually } from '@signalbox/testing'
import type { Dispatcher } from 'undici'
import { LatePool } from '../late-pool.ts'
import { Client, KEEP_ALIVE_MS } from './client.ts'

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** A backend, and what it does with the bytes that come. */
export const world = {
  server: createServer(),
  port: 0,
  sockets: [] as Socket[],
  serve: (_socket: Socket, _text: string): void => {},
}

export function useWorld(): void {
  beforeEach(async () => {
    world.sockets = []
    world.serve = (socket) => void socket.write(OK)
    world.server = createServer((socket) => {
      world.sockets.push(socket)
      const serve = (bytes: Buffer) => world.serve(socket, bytes.toString('latin1'))
      socket.on('error', () => {}).on('data', serve)
    })
    world.port = await listen(world.server)
  })
  afterEach(async () => {
    for (const socket of world.sockets) socket.destroy()
    if (!world.server.listening) return
    world.server.close()
    await once(world.server, 'close')
  })
}

async function listen(one: Server): Promise<number> {
  one.listen(0, '127.0.0.1')
  await once(one, 'listening')
  return (one.address() as AddressInfo).port
}

export interface Asked {
  status: number
  body: string
  error: (Error & { code?: string }) | null
  started: number
  ended: number
  controller: Dispatcher.DispatchController | null
}

export interface Asking extends Partial<Dispatcher.DispatchHandler> {
  readonly body?: Buffer | AsyncIterable<Buffer> | null
  readonly headers?: readonly string[]
  readonly idleMs?: number
}

type Dispatches = Pick<Client, 'dispatch'>

export function ask(
  client: Dispatches,
  { body = Buffer.from('{}'), headers, idleMs, ...on }: Asking = {},
) {
  const asked: Asked = { status: 0, body: '', error: null, started: 0, ended: 0, controller: null }
  const options = {
    ...{ method: 'POST', path: '/a', headers: [...(headers ?? ['x-a', '1'])] },
    body: body as never,
  }
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (controller, context) => {
      asked.started += 1
      asked.controller = controller
      on.onRequestStart?.(controller, context)
    },
    onResponseStart: (controller, status, head) => {
      asked.status = status
      on.onResponseStart?.(controller, status, head)
    },
    onResponseData: (controller, chunk) => {
      asked.body += chunk.toString('latin1')
      on.onResponseData?.(controller, chunk)
    },
    onResponseEnd: (controller, trailers) => {
      on.onResponseEnd?.(controller, trailers)
      asked.ended += 1
    },
    onResponseError: (_controller, error) => {
      asked.ended += 1
      asked.error = error
    },
  }
  client.dispatch({ ...options, headersTimeout: 0, bodyTimeout: idleMs ?? 0 }, handler)
  return asked
}

export const ended = (...all: Asked[]) => eventually(() => all.every((one) => one.ended > 0))

const host = () => `127.0.0.1:${world.port}`
export const KEEPING = { idleMax: 100, idleMs: KEEP_ALIVE_MS }
export const openOurs = (clock: Clock, keeping = KEEPING) =>
  new Client({ hostname: '127.0.0.1', port: world.port, host: host() }, clock, keeping)
export const openLate = (connections: number | null = null) => {
  const options = { pipelining: 1, connections }
  return new LatePool(`http://${host()}`, options, { idleMax: 100, clock: systemClock })
}
export const kinds = {
  ours: () => openOurs(systemClock),
  "undici's": () => openLate(),
}
