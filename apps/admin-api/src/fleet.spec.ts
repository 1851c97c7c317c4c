import { manualClock } from '@signalbox/testing'
import { heartbeatOf } from './api-harness.ts'
import { createFleet } from './fleet.ts'

const DAY_MS = 86_400_000

function begin() {
  const clock = manualClock()
  const fleet = createFleet(clock)
  const says = (active: number, sentAtMs: number) => fleet.hear(heartbeatOf(active, { sentAtMs }))
  const known = () => fleet.members().map(({ heartbeat }) => heartbeat.active)
  return { clock, says, known }
}

describe('the fleet', () => {
  it('drops a heartbeat that another one has overtaken', () => {
    const { says, known } = begin()
    says(2, 9_000)
    says(1, 0)
    expect(known()).toEqual([2])
    says(3, 9_001)
    expect(known()).toEqual([3])
  })

  it('hears at once of a member whose clock was set back', () => {
    const { says, known } = begin()
    says(1, DAY_MS)
    says(2, 5)
    expect(known()).toEqual([2])
    says(3, 6)
    expect(known()).toEqual([3])
  })

  it('is not deaf to one that was set back a little for longer than that', async () => {
    const { clock, says, known } = begin()
    says(1, 5_000)
    says(2, 0)
    expect(known()).toEqual([1])
    await clock.advance(5_001)
    says(3, 5_001)
    expect(known()).toEqual([3])
  })
})
