import { shedGarbage } from './shed-garbage.ts'

describe('shedding garbage', () => {
  it('collects what nobody refers to, and leaves no gc for others to call', async () => {
    const kept = { name: 'kept' }
    const refs = [new WeakRef(kept), new WeakRef({ name: 'nobody has it' })]
    // A WeakRef holds what it is made of until the task that made it has ended.
    await new Promise(setImmediate)
    shedGarbage()
    expect(refs.map((ref) => ref.deref()?.name)).toEqual(['kept', undefined])
    expect('gc' in globalThis).toBe(false)
    expect(kept.name).toBe('kept')
  })
})
