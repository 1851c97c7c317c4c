import { ask, ended, useWorld, world } from './h1/client-harness.ts'
import { LatePool } from './late-pool.ts'

useWorld()

describe('the pool that is loaded when it is needed', () => {
  const open = () => new LatePool(`http://127.0.0.1:${world.port}`, { connections: 2 })

  it('answers what was asked before it was there, and ends after that', async () => {
    const pool = open()
    expect(pool.stats).toEqual({ connected: 0, free: 0 })
    const asked = [ask(pool), ask(pool)]
    const closed = pool.close()
    await ended(...asked)
    await closed
    for (const one of asked) expect(one).toMatchObject({ status: 200, body: 'ok', error: null })
  })

  it('breaks off what was asked before it was there, when it is destroyed', async () => {
    const pool = open()
    const asked = ask(pool)
    await pool.destroy()
    await ended(asked)
    expect(asked.error).not.toBeNull()
    expect(world.sockets).toEqual([])
  })
})
