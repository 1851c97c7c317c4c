import { eventually, manualClock } from '@signalbox/testing'
import type { Dispatcher } from 'undici'
import { Client } from './client.ts'
import { ask, ended, KEEPING, kinds, OK, openOurs, useWorld, world } from './client-harness.ts'

useWorld()

describe('what a handler does when its answer is over', () => {
  it('reaches nobody else: it may pause, give up or throw, and the next is answered', async () => {
    const client = kinds.ours()
    const over = [
      (controller: Dispatcher.DispatchController) => controller.pause(),
      (controller: Dispatcher.DispatchController) => controller.abort(new Error('too late')),
      () => {
        throw new Error('its own fault')
      },
    ]
    for (const onResponseEnd of over) {
      // What waits takes the connection before the handler hears of its end.
      const first = ask(client, { onResponseEnd })
      await ended(first)
      const second = ask(client)
      await ended(second)
      expect([first.body, second.body, second.error]).toEqual(['ok', 'ok', null])
    }
    expect(world.sockets).toHaveLength(1)
    client.destroy()
  })

  it('is told where it fails', async () => {
    const client = kinds.ours()
    const fails = () => {
      throw new Error('its own fault')
    }
    const asked = ask(client, { onResponseEnd: fails })
    await ended(asked)
    expect(asked.error?.message).toBe('its own fault')
    client.destroy()
  })
})

describe('only our own client', () => {
  it('loses no connection to a request that was given up before it was written', async () => {
    const client = kinds.ours()
    const given = ask(client, { onRequestStart: (controller) => controller.abort(new Error('no')) })
    const kept = ask(client)
    await ended(given, kept)
    const next = ask(client)
    await ended(next)
    expect([given.error?.message, kept.body, next.body]).toEqual(['no', 'ok', 'ok'])
    expect(world.sockets.length).toBeLessThan(3)
    expect(world.sockets.every(({ destroyed }) => !destroyed)).toBe(true)
    client.destroy()
  })

  it('ends an answer that falls silent, to the millisecond, and no sooner', async () => {
    const clock = manualClock()
    const client = openOurs(clock)
    world.serve = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')
    const asked = ask(client, { idleMs: 300 })
    await eventually(() => asked.body === 'ab')
    clock.advance(299)
    world.sockets[0]?.write('c')
    await eventually(() => asked.body === 'abc')
    clock.advance(299)
    expect(asked.ended).toBe(0)
    clock.advance(1)
    await ended(asked)
    expect(asked.error).toMatchObject({ code: 'BODY_TIMEOUT' })
    client.destroy()
    await eventually(() => clock.pending() === 0)
  })

  it('lets idle connections go after four seconds, or sooner where the backend says so', async () => {
    const clock = manualClock()
    const client = openOurs(clock)
    const first = ask(client)
    await ended(first)
    clock.advance(3_999)
    await ended(ask(client))
    expect(world.sockets).toHaveLength(1)
    clock.advance(5_000)
    await eventually(() => client.stats.connected === 0)
    world.serve = (socket) =>
      socket.write(OK.replace('\r\n\r\n', '\r\nkeep-alive: timeout=2\r\n\r\n'))
    const second = ask(client)
    await ended(second)
    clock.advance(1_000)
    const third = ask(client)
    await ended(third)
    expect(world.sockets).toHaveLength(3)
    client.destroy()
    await eventually(() => clock.pending() === 0 && client.stats.connected === 0)
  })

  it('keeps as many idle connections as it may, those that were used last', async () => {
    const clock = manualClock()
    const client = openOurs(clock, { idleMax: 2, idleMs: 60_000 })
    let answer: (() => void)[] = []
    world.serve = (socket) => answer.push(() => socket.write(OK))
    const all = Array.from({ length: 5 }, () => ask(client))
    await eventually(() => answer.length === 5)
    for (const one of answer) one()
    await ended(...all)
    // Between two requests all are unused: for a second that is not too many.
    clock.advance(999)
    expect(client.stats).toEqual({ connected: 5, free: 5 })
    clock.advance(1)
    await eventually(() => client.stats.connected === 2)
    answer = []
    await ended(...[ask(client)].map((one) => (void eventually(() => answer[0]?.()), one)))
    clock.advance(30_000)
    expect(client.stats).toEqual({ connected: 2, free: 2 })
    expect(world.sockets).toHaveLength(5)
    clock.advance(31_000)
    await eventually(() => client.stats.connected === 0 && clock.pending() === 0)
    client.destroy()
  })

  it('gives up a connection that does not come about, after thirty seconds', async () => {
    const clock = manualClock()
    // Nobody answers from a documentation address; where there is no route at all, that is said.
    const client = new Client({ hostname: '192.0.2.1', port: 9, host: 'h' }, clock, KEEPING)
    const asked = ask(client)
    clock.advance(30_000)
    await ended(asked)
    expect(['CONNECT_TIMEOUT', 'ENETUNREACH', 'EHOSTUNREACH']).toContain(asked.error?.code)
    expect(asked.started).toBe(0)
  })

  it('serves what is under way when it is closed, and then nothing is left', async () => {
    const clock = manualClock()
    const client = openOurs(clock)
    let answer = () => {}
    world.serve = (socket) => (answer = () => socket.write(OK))
    const asked = ask(client)
    await eventually(() => asked.started === 1 && world.sockets.length === 1)
    client.close()
    await eventually(() => (answer(), asked.ended === 1))
    expect(asked.body).toBe('ok')
    await eventually(() => client.stats.connected === 0)
    expect(clock.pending()).toBe(0)
  })

  it('ends all at once when it is destroyed', async () => {
    world.serve = () => {}
    const client = kinds.ours()
    const all = Array.from({ length: 5 }, () => ask(client))
    await eventually(() => all.filter(({ started }) => started === 1).length > 1)
    client.destroy()
    await ended(...all)
    expect(all.every((one) => one.error !== null && one.ended === 1)).toBe(true)
  })
})
