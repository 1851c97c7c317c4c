import fc from 'fast-check'
import {
  afterProbe,
  DOWN_INTERVAL_MS_MAX,
  eligible,
  nextProbeDelayMs,
  STABLE_MS,
  PROBE_JITTER,
  unprobed,
  UNDECIDED_INTERVAL_MS_MAX,
  WARMING_MS_MAX,
  type ProbedHealth,
  type ProbeResult,
} from './health.ts'

const LETTERS: Readonly<Record<string, ProbeResult>> = {
  ...{ p: 'pass', f: 'fail', w: 'warming-up', u: 'unable' },
}
const thresholds = { unhealthyThreshold: 3, healthyThreshold: 2 }

/** The state after probes one second apart: p passes, f fails, w is a 503, u cannot look. */
function after(letters: string, start: ProbedHealth = unprobed(0)): ProbedHealth {
  return [...letters].reduce((state, letter, n) => {
    const result = LETTERS[letter]
    if (!result) throw new Error(`no probe ${letter}`)
    return afterProbe(state, result, { ...thresholds, nowMs: (n + 1) * 1_000 })
  }, start)
}

describe('afterProbe', () => {
  it.each([
    ['', 'unknown'],
    ['p', 'ready'],
    ['f', 'unknown'],
    ['ff', 'unknown'],
    ['fff', 'down'],
    ['fp', 'ready'],
    ['ffpff', 'ready'],
    ['pf', 'ready'],
    ['pff', 'ready'],
    ['pfff', 'down'],
    ['pffpff', 'ready'],
    ['pfffp', 'down'],
    ['pfffpp', 'ready'],
    ['pfffpfp', 'down'],
    ['pfffpfpp', 'ready'],
    ['w', 'warming_up'],
    ['pw', 'warming_up'],
    ['fffw', 'warming_up'],
    ['wp', 'ready'],
    ['fffwp', 'ready'],
    ['wf', 'warming_up'],
    ['wfff', 'down'],
    ['pffwff', 'warming_up'],
    ['pffwfff', 'down'],
    ['pu', 'unknown'],
    ['fffu', 'unknown'],
    ['fffup', 'ready'],
    ['ffuff', 'unknown'],
    ['wuw', 'warming_up'],
  ])('after %j is %s', (letters, health) => {
    expect(after(letters).health).toBe(health)
  })

  it('remembers when health last changed', () => {
    expect(after('p').sinceMs).toBe(1_000)
    expect(after('pppff').sinceMs).toBe(1_000)
    expect(after('pppfff').sinceMs).toBe(6_000)
    expect(after('fffffff').sinceMs).toBe(3_000)
  })

  it('counts runs, and starts them anew with any other answer', () => {
    expect(after('ppp')).toMatchObject({ passes: 3, failures: 0 })
    expect(after('pppff')).toMatchObject({ passes: 0, failures: 2 })
    expect(after('ffw')).toMatchObject({ passes: 0, failures: 0, warmingSinceMs: 3_000 })
  })

  it('goes down after exactly the threshold, and up after exactly the other', () => {
    const runs = fc.integer({ min: 1, max: 20 })
    fc.assert(
      fc.property(runs, runs, (unhealthyThreshold, healthyThreshold) => {
        const by = { unhealthyThreshold, healthyThreshold, nowMs: 1 }
        let state = afterProbe(unprobed(0), 'pass', by)
        let failures = 0
        for (; state.health !== 'down'; failures++) state = afterProbe(state, 'fail', by)
        let passes = 0
        for (; state.health !== 'ready'; passes++) state = afterProbe(state, 'pass', by)
        expect([failures, passes]).toEqual([unhealthyThreshold, healthyThreshold])
      }),
    )
  })

  it('stays where it is while passes and failures alternate', () => {
    for (const start of ['p', 'fff']) {
      const before = after(start)
      const flapped = after(before.health === 'ready' ? 'fpfpffpf' : 'pfpfpfpf', before)
      expect(flapped.health).toBe(before.health)
    }
  })

  describe('for a backend that keeps on loading', () => {
    const by = (nowMs: number) => ({ ...thresholds, nowMs })
    const warming = afterProbe(unprobed(0), 'warming-up', by(0))
    const late = (state: ProbedHealth, n: number) =>
      afterProbe(state, 'warming-up', by(WARMING_MS_MAX + n))

    it('believes it up to the maximum, then counts failures', () => {
      const believed = afterProbe(warming, 'warming-up', by(WARMING_MS_MAX - 1))
      expect(believed).toMatchObject({ health: 'warming_up', failures: 0 })
      const once = late(believed, 0)
      expect(once).toMatchObject({ health: 'warming_up', failures: 1 })
      expect(late(late(once, 1), 2)).toMatchObject({ health: 'down', failures: 3 })
    })

    it('does not begin to believe again until another answer came', () => {
      const down = late(late(late(warming, 0), 1), 2)
      expect(late(down, 3).health).toBe('down')
      const restarted = afterProbe(down, 'fail', by(WARMING_MS_MAX + 4))
      expect(late(restarted, 5).health).toBe('warming_up')
    })
  })
})

describe('a backend that flaps', () => {
  const by = (nowMs: number) => ({ ...thresholds, nowMs })
  const fall = (state: ProbedHealth, nowMs: number) =>
    [0, 1, 2].reduce((now) => afterProbe(now, 'fail', by(nowMs)), state)
  /** Passes every second, and how long it takes until it is back. */
  const untilBack = (down: ProbedHealth) => {
    let state = down
    let nowMs = down.sinceMs
    while (state.health === 'down') state = afterProbe(state, 'pass', by((nowMs += 1_000)))
    return { state, nowMs, downMs: nowMs - down.sinceMs }
  }

  it('is held down from the second fall on, twice as long each time, up to a maximum', () => {
    let state = afterProbe(unprobed(0), 'pass', by(0))
    let nowMs = 0
    const downMs: number[] = []
    for (let falls = 0; falls < 10; falls++) {
      const back = untilBack(fall(state, nowMs + 1_000))
      ;({ state, nowMs } = back)
      downMs.push(back.downMs / 1_000)
    }
    expect(downMs).toEqual([2, 5, 10, 20, 40, 80, 160, 300, 300, 300])
  })

  it('falls as for the first time once it was up for long, and not a moment before', () => {
    const back = untilBack(fall(afterProbe(unprobed(0), 'pass', by(0)), 1_000))
    const again = (upMs: number) => untilBack(fall(back.state, back.nowMs + upMs)).downMs
    expect([again(STABLE_MS - 1), again(STABLE_MS)]).toEqual([5_000, 2_000])
  })

  it('is looked at as a backend that is down while it is held', () => {
    const once = fall(afterProbe(unprobed(0), 'pass', by(0)), 1_000)
    const twice = fall(untilBack(once).state, 10_000)
    const delay = (state: ProbedHealth) =>
      nextProbeDelayMs(afterProbe(state, 'pass', by(20_000)), 30_000, () => 0.5)
    expect(delay(once)).toBe(UNDECIDED_INTERVAL_MS_MAX)
    const held = afterProbe(twice, 'pass', by(10_001))
    expect(nextProbeDelayMs(held, 30_000, () => 0.5)).toBe(DOWN_INTERVAL_MS_MAX)
  })

  it('never changes sides more often in an hour than the hold-down lets it', () => {
    const results$ = fc.array(fc.constantFrom<ProbeResult>('pass', 'fail'), {
      ...{ minLength: 3_600, maxLength: 3_600 },
    })
    fc.assert(
      fc.property(results$, fc.boolean(), (results, regular) => {
        let state = afterProbe(unprobed(0), 'pass', by(0))
        let falls = 0
        for (const [second, result] of results.entries()) {
          const now = regular ? (second % 6 < 3 ? 'fail' : 'pass') : result
          const before = state.health
          state = afterProbe(state, now, by(second * 1_000))
          if (before !== 'down' && state.health === 'down') falls++
        }
        // 5 + 10 + ... + 160 s, then 300 s each, and some seconds to fall.
        expect(falls).toBeLessThanOrEqual(20)
      }),
      { numRuns: 20 },
    )
  })
})

describe('eligible', () => {
  it('is what is ready or unknown', () => {
    expect(eligible('ready')).toBe(true)
    expect(eligible('unknown')).toBe(true)
    expect(eligible('warming_up')).toBe(false)
    expect(eligible('down')).toBe(false)
  })
})

describe('nextProbeDelayMs', () => {
  const middle = () => 0.5
  const interval = 30_000

  it.each([
    ['p', interval],
    ['', interval],
    ['pf', UNDECIDED_INTERVAL_MS_MAX],
    ['ff', UNDECIDED_INTERVAL_MS_MAX],
    ['fff', DOWN_INTERVAL_MS_MAX],
    ['fffp', UNDECIDED_INTERVAL_MS_MAX],
    ['w', UNDECIDED_INTERVAL_MS_MAX],
  ])('after %j is %i ms', (letters, ms) => {
    expect(nextProbeDelayMs(after(letters), interval, middle)).toBe(ms)
  })

  it('is never longer than the interval, jitter aside', () => {
    for (const letters of ['p', 'pf', 'fff', 'w']) {
      expect(nextProbeDelayMs(after(letters), 50, middle)).toBe(50)
    }
  })

  it('varies by the jitter, up and down', () => {
    expect(nextProbeDelayMs(after('p'), 1_000, () => 0)).toBeCloseTo(1_000 * (1 - PROBE_JITTER))
    expect(nextProbeDelayMs(after('p'), 1_000, () => 1)).toBeCloseTo(1_000 * (1 + PROBE_JITTER))
  })
})
