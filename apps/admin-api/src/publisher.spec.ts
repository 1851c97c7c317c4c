import { createHub, manifestSigner, manifestTrust } from '@signalbox/bus'
import { createMetrics, silentLog, systemClock } from '@signalbox/host'
import { type Store } from '@signalbox/store'
import { eventually } from '@signalbox/testing'
import { type Api, startApi } from './api-harness.ts'
import { startPublisher } from './publisher.ts'

const CONFIG = { masterKey: Buffer.alloc(32, 3), fleet: 'default' }

let at: Api
beforeAll(async () => {
  at = await startApi()
  await at.add('first')
})
afterAll(() => at.end())

/** A publisher on a bus of its own, and a snapshot that waits for `go`. */
function startWithSlowSnapshot() {
  const bus = createHub({ clock: systemClock }).connect()
  const heard: number[] = []
  bus.onRevision(({ revision }) => heard.push(revision))
  let begun = 0
  let go = () => {}
  const waiting = new Promise<void>((resolve) => (go = resolve))
  const visitToPublish: Store['visitToPublish'] = async (visit) => {
    begun++
    await waiting
    return at.store.visitToPublish(visit)
  }
  const publisher = startPublisher({
    store: { ...at.store, visitToPublish },
    ...{ bus, clock: systemClock, random: () => 0.5, log: silentLog, metrics: createMetrics() },
    ...{ sign: manifestSigner(CONFIG), trusts: manifestTrust(CONFIG) },
  })
  return { bus, publisher, heard, go: () => go(), begun: () => begun }
}

it('revisions do not wait for a snapshot, of which one at a time is made', async () => {
  const { bus, publisher, heard, go, begun } = startWithSlowSnapshot()
  await eventually(() => begun() === 1)
  await at.add('second')
  await at.add('third')
  await eventually(() => heard.includes(3))
  expect([begun(), await bus.latestManifest()]).toEqual([1, null])
  go()
  await eventually(async () => (await bus.latestManifest()) !== null)
  await publisher.stop()
  expect(heard).toEqual([1, 2, 3])
})

it('stops without the snapshot that it is making', async () => {
  const { bus, publisher, go, begun } = startWithSlowSnapshot()
  await eventually(() => begun() === 1)
  const stopped = publisher.stop()
  go()
  await stopped
  expect(await bus.latestManifest()).toBeNull()
})
