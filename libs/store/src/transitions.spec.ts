import { type Health } from '@signalbox/model'
import { createHarness } from './test-harness.ts'
import { type Transition, TRANSITIONS_OF_ONE_MAX } from './transitions.ts'

const harness = createHarness()

const DAY_MS = 86_400_000
const START_MS = Date.UTC(2026, 0, 1)
const moved = (health: Health, ms: number, more: Partial<Transition> = {}): Transition => {
  const at = new Date(START_MS + ms).toISOString()
  return { backend: 'b1', health, since: at, at, error: null, observers: ['p1'], ...more }
}
type Store = Awaited<ReturnType<typeof harness.open>>
const healths = async ({ transitions }: Store, backend = 'b1') =>
  (await transitions.of(backend, { before: null, limit: 1_000 })).map(({ health }) => health)

describe('transitions', () => {
  it('are read newest first, page by page, of one backend', async () => {
    const store = await harness.open()
    await store.transitions.record([])
    const down = moved('down', 1, { error: 'refused', observers: ['p1', 'p2'] })
    await store.transitions.record([moved('ready', 0), down, moved('ready', 2)])
    await store.transitions.record([moved('down', 3, { backend: 'b2' })])
    const [first, second] = await store.transitions.of('b1', { before: null, limit: 2 })
    expect(first).toEqual({ ...moved('ready', 2), id: expect.any(Number) })
    expect(second).toEqual({ ...down, id: expect.any(Number) })
    const rest = await store.transitions.of('b1', { before: second?.id ?? 0, limit: 9 })
    expect(rest).toMatchObject([moved('ready', 0)])
    expect(await healths(store, 'none')).toEqual([])
  })

  it('are kept once, whoever says so and again after a restart', async () => {
    const [one, two] = [await harness.open(), await harness.open()]
    const both = [moved('ready', 0), moved('down', 1), moved('ready', 2)]
    await Promise.all([one, two].map((store) => store.transitions.record(both)))
    await one.transitions.record([moved('ready', 9)])
    expect(await healths(two)).toEqual(['ready', 'down', 'ready'])
  })

  it('of one that flaps go, oldest first, and those of another stay', async () => {
    const store = await harness.open()
    await store.transitions.record([moved('down', 0, { backend: 'b2' })])
    const many = Array.from({ length: TRANSITIONS_OF_ONE_MAX + 9 }, (_, n) =>
      moved(n % 2 === 0 ? 'down' : 'ready', n),
    )
    await store.transitions.record(many)
    expect(await healths(store)).toHaveLength(TRANSITIONS_OF_ONE_MAX)
    expect((await healths(store))[0]).toBe(many.at(-1)?.health)
    expect(await healths(store, 'b2')).toEqual(['down'])
  })

  it('go after thirty days, with the next one', async () => {
    const store = await harness.open()
    await store.transitions.record([moved('down', 0), moved('ready', 1)])
    await store.transitions.record([moved('down', 30 * DAY_MS)])
    expect(await healths(store)).toEqual(['down', 'ready', 'down'])
    await store.transitions.record([moved('ready', 30 * DAY_MS + 1)])
    expect(await healths(store)).toEqual(['ready', 'down', 'ready'])
  })
})
