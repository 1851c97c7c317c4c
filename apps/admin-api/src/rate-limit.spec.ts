import { manualClock } from '@signalbox/testing'
import Fastify from 'fastify'
import { refusalOf, sendProblem } from './problem.ts'
import { CALLS_AT_ONCE, CALLS_PER_S, limitRate, RateLimit } from './rate-limit.ts'

const clock = manualClock(0)
const takenOf = (limit: RateLimit, address: string, calls: number) =>
  Array.from({ length: calls }, () => limit.take(address)).filter(Boolean).length

describe('a rate limit', () => {
  it('takes a burst, then so many a second', () => {
    const limit = new RateLimit(clock)
    expect(takenOf(limit, 'a', CALLS_AT_ONCE + 50)).toBe(CALLS_AT_ONCE)
    clock.advance(500)
    expect(takenOf(limit, 'a', CALLS_PER_S)).toBe(CALLS_PER_S / 2)
    clock.advance(60_000)
    expect(takenOf(limit, 'a', 2 * CALLS_AT_ONCE)).toBe(CALLS_AT_ONCE)
  })

  it('is one for each address', () => {
    const limit = new RateLimit(clock)
    takenOf(limit, 'a', 2 * CALLS_AT_ONCE)
    expect([limit.take('a'), limit.take('b')]).toEqual([false, true])
  })

  it('is shared by those that are too many to be told apart, and forgets who is quiet', () => {
    const limit = new RateLimit(clock)
    for (let nth = 0; nth < 10_000; nth++) limit.take(`address-${nth}`)
    expect(takenOf(limit, 'new-1', CALLS_AT_ONCE)).toBe(CALLS_AT_ONCE)
    expect(limit.take('new-2')).toBe(false)
    clock.advance(2_000)
    expect(limit.take('new-3')).toBe(true)
  })
})

it('an address over it gets a problem and is told to wait; others are served', async () => {
  const app = Fastify()
  limitRate(app, clock)
  app.setErrorHandler((error, request, reply) => {
    sendProblem(reply, refusalOf(error), request.id)
  })
  app.get('/', () => 'served')
  const from = (remoteAddress: string) => app.inject({ url: '/', remoteAddress })
  for (let nth = 0; nth < CALLS_AT_ONCE; nth++)
    expect((await from('10.0.0.1')).statusCode).toBe(200)
  const over = await from('10.0.0.1')
  expect([over.statusCode, over.headers['retry-after']]).toEqual([429, '1'])
  expect(over.json()).toMatchObject({ code: 'admin_rate_limited' })
  expect((await from('10.0.0.2')).statusCode).toBe(200)
  clock.advance(1_000)
  expect((await from('10.0.0.1')).statusCode).toBe(200)
  await app.close()
})
