import { systemClock } from '@signalbox/host'
import { manualClock } from '@signalbox/testing'
import { describeBus, type BusHarness } from '../bus.contract.ts'
import { BusUnavailable, REQUEST_DEADLINE_MS } from '../bus.ts'
import { TestLog } from '../test-log.harness.ts'
import { createHub, type HubBus, type Lane } from './hub.ts'

describeBus('in-process', () => {
  const hub = createHub({ clock: systemClock, retention: { revisionsMax: 220 } })
  const clients: HubBus[] = []
  const harness: BusHarness = {
    connect: () => {
      const bus = hub.connect()
      clients.push(bus)
      return Promise.resolve(bus)
    },
    outage: ({ wipe }) => {
      for (const bus of clients) bus.setConnected(false)
      if (wipe) hub.wipe()
      return Promise.resolve(() => {
        for (const bus of clients) bus.setConnected(true)
        return Promise.resolve()
      })
    },
    keepLast: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  }
  return Promise.resolve(harness)
})

describe('createHub', () => {
  it('drops the oldest revisions when they have too many bytes', async () => {
    const log = new TestLog().appendMany(10)
    const bytesMax = log.message(1).body.length * 3 + 10
    const bus = createHub({ clock: manualClock(), retention: { bytesMax } }).connect()
    await bus.openStream(log)
    for (const message of log.messages) await bus.publishRevision(message)
    expect(await bus.revisions({ from: 7, to: 10 })).toEqual({ kind: 'gone' })
    expect(await bus.revisions({ from: 8, to: 10 })).toMatchObject({ kind: 'found' })
  })

  it('loses, doubles and delays what the test says', async () => {
    const late: (() => void)[] = []
    const fates: Partial<Record<Lane, (deliver: () => void) => void>> = {
      beacon: (deliver) => [deliver, deliver].forEach((one) => one()),
      status: () => {},
      heartbeat: (deliver) => late.push(deliver),
    }
    const hub = createHub({
      clock: manualClock(),
      intercept: (lane, deliver) => (fates[lane] ?? ((now) => now()))(deliver),
    })
    const bus = hub.connect()
    const heard: string[] = []
    bus.onBeacon(() => heard.push('beacon'))
    bus.onStatus(() => heard.push('status'))
    bus.onHeartbeat(() => heard.push('heartbeat'))
    bus.sendHeartbeat({} as never)
    bus.sendStatus({ observer: 'o', statuses: [] })
    bus.publishBeacon(new TestLog().head)
    await bus.latestManifest()
    expect(heard).toEqual(['beacon', 'beacon'])
    late.forEach((deliver) => deliver())
    expect(heard).toEqual(['beacon', 'beacon', 'heartbeat'])
  })

  it('rejects a request whose answer is lost, though it was carried out', async () => {
    const clock = manualClock()
    let lose = true
    const bus = createHub({
      clock,
      intercept: (lane, deliver) => void (lane === 'answer' && lose ? undefined : deliver()),
    }).connect()
    const log = new TestLog().appendMany(1)
    const opened = bus.openStream(log)
    const rejected = expect(opened).rejects.toBeInstanceOf(BusUnavailable)
    await Promise.resolve()
    clock.advance(REQUEST_DEADLINE_MS)
    await rejected
    lose = false
    expect(await bus.publishRevision(log.message(1))).toEqual({ kind: 'stored' })
    expect(clock.pending()).toBe(0)
  })

  it('ends at an earlier revision after it lost a tail', async () => {
    const hub = createHub({ clock: manualClock() })
    const bus = hub.connect()
    const log = new TestLog().appendMany(5)
    await bus.openStream(log)
    for (const message of log.messages) await bus.publishRevision(message)
    hub.truncate(3)
    expect(await bus.openStream(log)).toEqual(log.at(3).head)
    hub.truncate(0)
    expect((await bus.openStream(log)).revision).toBe(0)
  })
})
