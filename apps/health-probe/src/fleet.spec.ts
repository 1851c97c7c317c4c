// Several probes on one bus: who looks at what, and what the fleet hears when one comes or goes.
import { createMetrics } from '@signalbox/host'
import { type StatusTable } from '@signalbox/model'
import { StatusBook } from '@signalbox/routing'
import { eventually } from '@signalbox/testing'
import { PRESENCE_MS } from './peers.ts'
import {
  another,
  apply,
  backend,
  bus,
  clock,
  hub,
  listener,
  settled,
  start,
  useProbe,
} from './probe-harness.ts'
import { type RunningProbe } from './start.ts'
import { RELEASE_MS } from './releases.ts'

useProbe()

const HOUR_MS = 3_600_000
const IDS = Array.from({ length: 12 }, (_, n) => `b${n}`)
/** No look is repeated by itself while a test lasts. */
const spec = (more: object = {}) => ({
  ...{ kind: 'openai-compatible', url: backend.url },
  ...{ health: { intervalMs: HOUR_MS, unhealthyThreshold: 1 }, ...more },
})

let heard: StatusTable[]
let book: StatusBook
/** Verdicts as a proxy makes them, in order. */
let verdicts: string[]

beforeEach(() => {
  heard = []
  book = new StatusBook()
  verdicts = []
  listener.onStatus((table) => {
    heard.push(table)
    for (const { backend, health } of book.hear(table, clock.monotonicMs())) {
      verdicts.push(`${backend} ${health}`)
    }
  })
})

async function join(id: string, observers: number) {
  const own = id === 'p1' ? bus : hub.connect()
  const probe = await start({ bus: own, metrics: createMetrics() }, { id, observers })
  return { ...probe, id, bus: own }
}

const idsOf = (probe: RunningProbe) => probe.statuses().map((status) => status.backend)
const all = (probes: readonly RunningProbe[]) => probes.flatMap(idsOf).toSorted()
/** Waits until these look at each backend, so many times in all. */
const shared = (probes: readonly RunningProbe[], times: number) =>
  eventually(() => {
    const wanted = IDS.flatMap((id) => Array.from({ length: times }, () => id)).toSorted()
    return JSON.stringify(all(probes)) === JSON.stringify(wanted)
  })
const pass = async (ms: number) => {
  for (let passed = 0; passed < ms; passed += PRESENCE_MS / 2) {
    clock.advance(PRESENCE_MS / 2)
    await settled()
  }
}
const verdict = (id: string) =>
  book
    .observations(id, clock.monotonicMs())
    .filter(({ fresh, status }) => fresh && status.health !== 'unknown')
    .map(({ status }) => `${status.observer} ${status.health}`)
    .toSorted()

describe('probes of one fleet', () => {
  it('all look at everything while they are few', async () => {
    for (const id of IDS) await apply(id, spec())
    const probes = [await join('p1', 3), await join('p2', 3)]
    await shared(probes, 2)
    await settled()
    expect(verdict('b0')).toEqual(['p1 ready', 'p2 ready'])
  })

  it('share the backends among them, and a new one takes its part without a gap', async () => {
    for (const id of IDS) await apply(id, spec())
    const first = await join('p1', 1)
    await shared([first], 1)
    await pass(RELEASE_MS)
    const second = await join('p2', 1)
    await eventually(() => idsOf(second).length > 0 && idsOf(second).length < IDS.length)
    await settled()
    // The first goes on until the second has surely looked.
    expect(idsOf(first)).toHaveLength(IDS.length)
    await pass(RELEASE_MS + PRESENCE_MS)
    await shared([first, second], 1)
    for (const id of IDS) expect(verdict(id)).toHaveLength(1)
    for (const id of idsOf(second)) expect(verdict(id)).toEqual(['p2 ready'])
  })

  it('take over at once from one that leaves, which says so', async () => {
    for (const id of IDS) await apply(id, spec())
    const probes = [await join('p1', 1), await join('p2', 1)]
    const [first, second] = probes
    if (!first || !second) throw new Error('there are two')
    await pass(RELEASE_MS + PRESENCE_MS)
    await shared(probes, 1)
    await second.stop()
    await shared([first], 1)
    await settled()
    expect(heard).toContainEqual({ observer: 'p2', statuses: [], leaving: true })
    for (const id of IDS) expect(verdict(id)).toEqual(['p1 ready'])
  })

  it('take over from one that falls silent, after two signs of life and a half', async () => {
    for (const id of IDS) await apply(id, spec())
    const probes = [await join('p1', 1), await join('p2', 1)]
    const [first, second] = probes
    if (!first || !second) throw new Error('there are two')
    await pass(RELEASE_MS + PRESENCE_MS)
    await shared(probes, 1)
    const own = idsOf(first)
    second.bus.setConnected(false)
    await pass(2 * PRESENCE_MS)
    expect(idsOf(first)).toEqual(own)
    await pass(PRESENCE_MS)
    await shared([first], 1)
    second.bus.setConnected(true)
    await settled()
    await pass(RELEASE_MS + PRESENCE_MS)
    await shared(probes, 1)
  })

  it('are outvoted one by one: what one cannot reach stays in', async () => {
    const cut = await another()
    await apply('b0', spec({ url: cut.url }))
    for (const id of ['p1', 'p2', 'p3']) await join(id, 3)
    await eventually(() => verdict('b0').length === 3)
    // Refused to the third alone: as behind a network that is down for it.
    cut.failWith(500, { times: 1 })
    clock.advance(HOUR_MS * 1.1)
    await eventually(() => verdict('b0').some((said) => said.endsWith('down')))
    await settled()
    expect(new Set(verdicts)).toEqual(new Set(['b0 ready']))
    expect(verdict('b0').filter((said) => said.endsWith('ready'))).toHaveLength(2)
  })
})
