import { eventually } from './eventually.ts'

describe('eventually', () => {
  it('answers what the check answers, once it does', async () => {
    let asked = 0
    const answer = await eventually(
      () => {
        asked += 1
        if (asked === 1) throw new Error('not yet')
        if (asked === 2) return undefined
        return asked === 3 ? false : 'done'
      },
      { periodMs: 1 },
    )
    expect([answer, asked]).toEqual(['done', 4])
  })

  it('takes promises, and answers that are merely falsy', async () => {
    expect(await eventually(() => Promise.resolve(0))).toBe(0)
  })

  it('gives up with the last problem', async () => {
    const never = eventually(() => Promise.reject(new Error('no port')), {
      timeoutMs: 5,
      periodMs: 1,
    })
    await expect(never).rejects.toThrow('not within 5 ms: no port')
    const nothing = eventually(() => undefined, { timeoutMs: 0 })
    await expect(nothing).rejects.toThrow('still answered undefined')
  })
})
