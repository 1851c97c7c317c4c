// The pool as upstream.ts opens it for TLS, over real sockets.
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, type Socket } from 'node:net'
import { CERTIFICATE, eventually, KEY, type ManualClock, manualClock } from '@signalbox/testing'
import Pool from 'undici/lib/dispatcher/pool.js'
import { ask, ended } from './h1/client-harness.ts'
import { IdleBound } from './idle-bound.ts'

const REQUESTS = 5
let clock: ManualClock
let held: (() => void)[]
let sockets: Socket[]
let server: ReturnType<typeof createSecureServer>
beforeEach(async () => {
  ;[clock, held, sockets] = [manualClock(), [], []]
  server = createSecureServer({ cert: CERTIFICATE, key: KEY, allowHTTP1: true })
  server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
    held.push(() => response.end('ok'))
  })
  server.on('secureConnection', (socket: Socket) => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

function open(bound: IdleBound, allowH2: boolean): Pool {
  const { port } = server.address() as AddressInfo
  return new Pool(`https://127.0.0.1:${port}`, {
    ...{ connections: REQUESTS, pipelining: 1, allowH2, keepAliveTimeout: 60_000 },
    factory: bound.open,
    connect: { rejectUnauthorized: false },
  })
}

/** So many at the same time, all of them held until all have come. */
async function together(pool: Pool, count: number): Promise<void> {
  held = []
  const all = Array.from({ length: count }, () => ask(pool, { body: null }))
  await eventually(() => held.length === count)
  for (const answer of held) answer()
  await ended(...all)
  expect(all.map(({ body, error }) => [body, error])).toEqual(all.map(() => ['ok', null]))
}

it('closes unused connections over the bound, a second after the last look', async () => {
  const bound = new IdleBound(2, clock)
  const pool = open(bound, false)
  await together(pool, REQUESTS)
  bound.freed()
  clock.advance(1_000)
  expect(pool.stats.connected).toBe(REQUESTS)
  clock.advance(1_000)
  await eventually(() => pool.stats.connected === 2)
  expect(clock.pending()).toBe(0)
  await together(pool, REQUESTS)
  expect(sockets).toHaveLength(REQUESTS + 3)
  await pool.destroy()
})

it('leaves alone what is in use, was used since, or is within the bound', async () => {
  const bound = new IdleBound(0, clock)
  const pool = open(bound, false)
  await together(pool, 1)
  bound.freed()
  clock.advance(1_000)
  await together(pool, 1)
  clock.advance(1_000)
  expect([pool.stats.connected, sockets.length]).toEqual([1, 1])
  held = []
  const asked = ask(pool, { body: null })
  await eventually(() => held.length === 1)
  clock.advance(5_000)
  held[0]?.()
  await ended(asked)
  expect([asked.body, sockets.length]).toEqual(['ok', 1])
  bound.stop()
  expect(clock.pending()).toBe(0)
  await pool.destroy()
})

it('closes an unused connection that speaks HTTP/2, and the next request connects anew', async () => {
  const bound = new IdleBound(0, clock)
  const pool = open(bound, true)
  await together(pool, 2)
  bound.freed()
  clock.advance(1_000)
  clock.advance(1_000)
  await eventually(() => pool.stats.connected === 0)
  const before = sockets.length
  await together(pool, 1)
  expect(sockets.length).toBe(before + 1)
  await pool.destroy()
})
