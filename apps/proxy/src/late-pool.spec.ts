import { systemClock } from '@signalbox/host'
import { Pool } from 'undici'
import { ask, ended, openLate, useWorld, world } from './h1/client-harness.ts'
import { IdleBound } from './idle-bound.ts'
import { LatePool } from './late-pool.ts'

useWorld()

describe('the pool that is loaded when it is needed', () => {
  it('answers what was asked before it was there, and ends after that', async () => {
    const pool = openLate(2)
    expect(pool.stats).toEqual({ connected: 0, free: 0 })
    const asked = [ask(pool), ask(pool)]
    const closed = pool.close()
    await ended(...asked)
    await closed
    for (const one of asked) expect(one).toMatchObject({ status: 200, body: 'ok', error: null })
  })

  it('breaks off what was asked before it was there, when it is destroyed', async () => {
    const pool = openLate(2)
    const asked = ask(pool)
    await pool.destroy()
    await ended(asked)
    expect(asked.error).not.toBeNull()
    expect(world.sockets).toEqual([])
  })

  it('fails what waits where it cannot be loaded, and is loaded for the next request', async () => {
    let loads = 0
    const load = async () => {
      if (++loads <= 2) throw Object.assign(new Error('no file'), { code: 'EMFILE' })
      return { Pool, IdleBound }
    }
    const late = { idleMax: 100, clock: systemClock, load }
    const pool = new LatePool(`http://127.0.0.1:${world.port}`, { pipelining: 1 }, late)
    const waiting = [ask(pool), ask(pool)]
    await ended(...waiting)
    for (const one of waiting) expect(one).toMatchObject({ started: 0, error: { code: 'EMFILE' } })
    const again = ask(pool)
    await ended(again)
    expect([again.error?.code, loads]).toEqual(['EMFILE', 2])
    const last = ask(pool)
    await ended(last)
    expect([last.status, last.body, loads]).toEqual([200, 'ok', 3])
    await pool.close()
  })

  it.each(['close', 'destroy'] as const)('that could not be loaded: %s() ends', async (how) => {
    const load = () => Promise.reject(new Error('no file'))
    const late = { idleMax: 100, clock: systemClock, load }
    const pool = new LatePool(`http://127.0.0.1:${world.port}`, {}, late)
    await pool[how]()
    const asked = ask(pool)
    await ended(asked)
    expect([asked.error?.message, pool.stats]).toEqual(['no file', { connected: 0, free: 0 }])
  })
})
