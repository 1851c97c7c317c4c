import { type LeaseReport, type Spending } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { LEASES } from './bus-messages.harness.ts'
import { type BusHarness } from './bus.contract.ts'
import { type Bus } from './bus.ts'

const SPENDING: Spending = { v: 1, lines: [['k1', 20_000, 1.5]] }

/** The part of Bus's contract that carries what proxies share: leases of limits, and spending. */
export function describeShared(start: () => Promise<BusHarness>): void {
  describe('what proxies share', () => {
    let harness: BusHarness
    let one: Bus
    let other: Bus

    beforeEach(async () => {
      harness = await start()
      one = await harness.connect()
      other = await harness.connect()
    })

    afterEach(async () => {
      for (const bus of [one, other]) await bus.close()
      await harness.stop()
    })

    it('is carried to all that listen, as it was said', async () => {
      const leases: LeaseReport[] = []
      const spending: Spending[] = []
      const ends = [
        other.onLeases((report) => leases.push(report)),
        other.onSpending((told) => spending.push(told)),
      ]
      // Live delivery is at most once: a listener that has just come may miss the first.
      await eventually(() => {
        one.sendLeases(LEASES)
        one.sendSpending(SPENDING)
        return leases.length > 0 && spending.length > 0
      })
      expect([leases[0], spending[0]]).toEqual([LEASES, SPENDING])
      for (const end of ends) end()
    })
  })
}
