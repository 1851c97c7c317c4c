import { type Machine } from './follow.ts'
import { type Effect } from './follower-state.ts'
import { step } from './follower.ts'
import { World } from './sim-world.harness.ts'

const SEEDS = Number(process.env['SIGNALBOX_SIM_SEEDS'] ?? 300)
const STEPS = 60
const HEALING_STEPS_MAX = 300

async function run(seed: number, machine?: Machine) {
  const world = new World(seed, machine)
  await world.misbehave(STEPS)
  const healed = await world.heal(HEALING_STEPS_MAX)
  const picture = world.describe()
  await world.end()
  return { world, healed, picture, timers: world.clock.pending() }
}

/** Whether any of a few seeds notices that the follower has another rule. */
async function caught(machine: Machine): Promise<boolean> {
  for (let seed = 1; seed <= 60; seed++) {
    const { world, healed } = await run(seed, machine)
    if (!healed || world.violations.length > 0) return true
  }
  return false
}

describe('a fleet on a bad bus', () => {
  it(`serves prefixes, acks what is durable, never goes back, arrives (${SEEDS} seeds)`, async () => {
    const seen = new Map<string, number>()
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { world, healed, picture, timers } = await run(seed)
      for (const [what, count] of world.seen) seen.set(what, (seen.get(what) ?? 0) + count)
      const outcome = { seed, healed, violations: world.violations, timers }
      if (!healed) throw new Error(`seed ${seed}: ${world.violations.join()} ${picture}`)
      expect(outcome).toEqual({ seed, healed: true, violations: [], timers: 0 })
    }
    const faults = ['crash', 'doubled', 'fail-over', 'lineage', 'lost', 'outage', 'rebuild']
    expect([...seen.keys()].sort()).toEqual([...faults, 'truncate', 'wipe'])
  }, 300_000)
})

describe('the simulation notices a follower that', () => {
  it('acks before its disk has it', async () => {
    const machine: Machine = (state, input, sha256) => {
      const next = step(state, input, sha256)
      const durable = next.state.snapshot?.head ?? null
      return { ...next, state: { ...next.state, durable } }
    }
    expect(await caught(machine)).toBe(true)
  })

  it('accepts a snapshot that is older than what it has', async () => {
    const machine: Machine = (state, input, sha256) => {
      if (input.kind !== 'snapshot' || !input.snapshot) return step(state, input, sha256)
      return step({ ...state, snapshot: null }, input, sha256)
    }
    expect(await caught(machine)).toBe(true)
  })

  it('does not look whether a revision is the next one', async () => {
    const machine: Machine = (state, input, sha256) => {
      if (input.kind !== 'revision' || !state.snapshot) return step(state, input, sha256)
      const { head } = state.snapshot
      const { revision, previousHash } = input.message
      if (revision <= head.revision) return step(state, input, sha256)
      const pretended = { ...head, revision: revision - 1, hash: previousHash }
      return step({ ...state, snapshot: { ...state.snapshot, head: pretended } }, input, sha256)
    }
    expect(await caught(machine)).toBe(true)
  })

  it('does not compare the hash of the beacon', async () => {
    const machine: Machine = (state, input, sha256) => {
      const mine = state.snapshot?.head
      if (input.kind !== 'beacon' || !mine) return step(state, input, sha256)
      const { epoch, hash } = mine
      return step(state, { ...input, head: { ...input.head, epoch, hash } }, sha256)
    }
    expect(await caught(machine)).toBe(true)
  })

  it('never asks for what it missed', async () => {
    const machine: Machine = (state, input, sha256) => {
      const next = step(state, input, sha256)
      const keep = ({ kind }: Effect) => kind !== 'fetch'
      return { ...next, effects: next.effects.filter(keep) }
    }
    expect(await caught(machine)).toBe(true)
  })
})
