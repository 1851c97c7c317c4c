import { ask, ended, openLate, useWorld, world } from './h1/client-harness.ts'

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
})
