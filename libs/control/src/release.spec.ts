import fc from 'fast-check'
import { activeFor, type Draft, openRelease, releasePlan, type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { decideAll } from './decide.ts'
import { diff } from './diff.ts'
import { decideAdvance, decideStart, decideUndo, RELEASES_KEPT, whileOpen } from './release.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const AT = '2026-01-02T00:00:00.000Z'
const PROXIES = ['p1', 'p2', 'p3', 'p4']
const GIVEN = {
  backends: {
    a: { kind: 'vllm', url: 'http://a', credential: { secret: 's' } },
    b: { kind: 'vllm', url: 'http://b' },
  },
  routes: { r: { tiers: [{ targets: [{ backend: 'a' }] }] } },
  secrets: { s: { sealed: 'AQID', fingerprint: 'f00d' } },
} as const
const now = snapshotOf(GIVEN)

const patch = (id: string, spec: object): Command => {
  return { op: 'patch', resource: 'backend', id, patch: spec, ifMatch: null }
}
const removal = (resource: 'backend' | 'secret', id: string): Command => {
  return { op: 'delete', resource, id, ifMatch: null }
}
const creation = (resource: 'backend' | 'policy', id: string, spec: object): Command => {
  return { op: 'create', resource, id, spec }
}

function draftsFor(snapshot: Snapshot, commands: readonly Command[]): readonly Draft[] {
  const decided = decideAll(commands, snapshot)
  if (!decided.ok) throw new Error(decided.error.message)
  return decided.value
}

const startOn = (snapshot: Snapshot, commands: readonly Command[], plan: object = {}) =>
  decideStart(snapshot, draftsFor(snapshot, commands), {
    ...{ plan: releasePlan.parse(plan), actor: 'a', reason: 'r', at: AT, proxies: PROXIES },
  })

function committed(snapshot: Snapshot, decided: ReturnType<typeof decideUndo>): Snapshot {
  if (!decided.ok) throw new Error(decided.error.message)
  return decided.value.length === 0 ? snapshot : commit(snapshot, decided.value)
}

const CHANGE = [patch('a', { weight: 7 }), removal('backend', 'b'), creation('policy', 'p', {})]
const open = committed(now, startOn(now, CHANGE))
const ID = 'release-8'
const specOf = (snapshot: Snapshot) => snapshot.releases.get(ID)?.spec
const step = { id: ID, why: 'w', at: AT, proxies: PROXIES }
const advance = (snapshot: Snapshot, stage: number | null, full = false) =>
  decideAdvance(snapshot, { ...step, stage, full })
const undo = (snapshot: Snapshot, stage: number | null = null) =>
  decideUndo(snapshot, { id: ID, stage, why: 'w' })
const codeOf = (decided: ReturnType<typeof undo>) => (decided.ok ? 'ok' : decided.error.code)

/** Everything but how it came to be. */
const differences = (one: Snapshot, other: Snapshot) =>
  diff(one, other).filter(({ resource }) => resource !== 'release')

describe('a release that starts', () => {
  it('makes the changes, and keeps what they replace', () => {
    expect(specOf(open)).toMatchObject({
      ...{ state: 'open', base: 7, stage: 0, stageAt: AT, actor: 'a', reason: 'r' },
      changes: [
        { resource: 'backend', id: 'a', before: now.backends.get('a') },
        { resource: 'backend', id: 'b', before: now.backends.get('b') },
        { resource: 'policy', id: 'p', before: null },
      ],
    })
    expect(differences(now, open)).toHaveLength(3)
    expect(specOf(open)?.stages[0]?.below).toBeGreaterThan(0)
    expect(specOf(open)?.stages[1]).not.toHaveProperty('below')
  })

  it('is the only one', () => {
    const second = startOn(open, [patch('a', { weight: 8 })])
    expect(codeOf(second)).toBe('release_open')
    expect(second.ok || second.error.message).toContain(ID)
  })

  it('is refused as a share of proxies that nobody knows, and so is its next share', () => {
    const alone = (snapshot: Snapshot, plan: object) =>
      decideStart(snapshot, draftsFor(snapshot, CHANGE), {
        ...{ plan: releasePlan.parse(plan), actor: 'a', reason: 'r', at: AT, proxies: [] },
      })
    expect(codeOf(alone(now, {}))).toBe('validation_failed')
    const labels = { stages: [{ labels: { canary: 'yes' } }, { percent: 50 }] }
    const byLabel = committed(now, alone(now, labels))
    const next = { ...step, stage: 0, proxies: [] }
    expect(codeOf(decideAdvance(byLabel, { ...next, full: false }))).toBe('validation_failed')
    expect(codeOf(decideAdvance(byLabel, { ...next, full: true }))).toBe('ok')
  })

  it('is refused with what is not staged, and with nothing', () => {
    const key = { op: 'create', resource: 'key', id: 'k', spec: { hash: 'ab'.repeat(32) } } as const
    expect(codeOf(startOn(now, [...CHANGE, key]))).toBe('validation_failed')
    expect(codeOf(startOn(now, [patch('a', {})]))).toBe('validation_failed')
  })

  it('is refused where it would shred a credential, and takes one along that stays', () => {
    const credential = (key: string, fingerprint: string) => {
      return { sealed: `dk1:${key}:TEXT`, fingerprint }
    }
    const own = snapshotOf({
      backends: { a: { ...GIVEN.backends.b, credential: credential('k1', 'f1') } },
    })
    const code = (command: Command) => codeOf(startOn(own, [command]))
    const replaced = { credential: credential('k2', 'f2') }
    expect(code(patch('a', replaced))).toBe('validation_failed')
    expect(code(patch('a', { credential: null }))).toBe('validation_failed')
    expect(code(removal('backend', 'a'))).toBe('validation_failed')
    expect(code(patch('a', { weight: 9 }))).toBe('ok')
  })

  it('forgets the oldest of many that have ended', () => {
    let snapshot = now
    for (let n = 0; n <= RELEASES_KEPT + 2; n++) {
      snapshot = committed(snapshot, startOn(snapshot, [patch('b', { weight: n + 2 })]))
      const id = openRelease(snapshot)?.id ?? ''
      snapshot = committed(snapshot, decideAdvance(snapshot, { ...step, id, stage: 0, full: true }))
    }
    expect(snapshot.releases.size).toBe(RELEASES_KEPT)
    expect(snapshot.releases.has(ID)).toBe(false)
  })
})

describe('a release that goes on', () => {
  it('widens stage by stage, and is for all after the last one', () => {
    const second = committed(open, advance(open, 0))
    expect(specOf(second)).toMatchObject({ state: 'open', stage: 1 })
    const [first, wider] = specOf(second)?.stages ?? []
    expect(wider?.below).toBeGreaterThanOrEqual(first?.below ?? Infinity)
    const all = committed(second, advance(second, 1))
    expect(specOf(all)).toMatchObject({ state: 'promoted', why: 'w' })
    expect(JSON.stringify(specOf(all))).not.toContain('before')
    expect(differences(open, all)).toEqual([])
  })

  it('does not shrink where most of its proxies have gone', () => {
    const below = (snapshot: Snapshot, stage: number) => specOf(snapshot)?.stages[stage]?.below ?? 0
    const plan = { stages: [{ percent: 50 }, { percent: 60 }] }
    const first = committed(now, startOn(now, CHANGE, plan))
    for (const proxies of PROXIES.map((one) => [one, 'other'])) {
      const at = { ...step, stage: 0, full: false, proxies }
      const second = committed(first, decideAdvance(first, at))
      expect(below(second, 1)).toBeGreaterThanOrEqual(below(first, 0))
    }
  })

  it('takes each step once, whoever takes it', () => {
    const second = committed(open, advance(open, 0))
    expect(committed(second, advance(second, 0))).toBe(second)
    expect(committed(second, undo(second, 0))).toBe(second)
    const back = committed(open, undo(open, 0))
    expect(committed(back, advance(back, 0))).toBe(back)
  })

  it('tells an operator that it has ended, or never was', () => {
    const all = committed(open, advance(open, null, true))
    expect([codeOf(advance(all, null)), codeOf(undo(all))]).toEqual([
      'release_ended',
      'release_ended',
    ])
    expect(codeOf(advance(now, null))).toBe('not_found')
  })
})

describe('a release that goes back', () => {
  it('leaves everything as it was, for whoever took part and whoever did not', () => {
    const back = committed(open, undo(open))
    expect(specOf(back)).toMatchObject({ state: 'rolled-back', why: 'w' })
    expect(JSON.stringify(specOf(back))).not.toContain('before')
    expect(differences(now, back)).toEqual([])
  })

  it('does so whatever it changed (property)', () => {
    const command = fc.oneof(
      fc.integer({ min: 2, max: 90 }).map((weight) => patch('a', { weight })),
      fc.integer({ min: 2, max: 90 }).map((weight) => patch('b', { weight })),
      fc.constantFrom('c', 'd', 'e').map((id): Command => {
        const spec = { kind: 'vllm', url: `http://${id}` }
        return { op: 'put', resource: 'backend', id, spec, ifMatch: null }
      }),
    )
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 6 }), (commands) => {
        const started = startOn(now, commands)
        if (!started.ok) throw new Error(started.error.message)
        const after = commit(now, started.value)
        const outside = activeFor(after, { id: 'p', role: 'proxy', labels: {} })
        if (outside !== after) expect(differences(now, outside)).toEqual([])
        expect(differences(now, committed(after, undo(after)))).toEqual([])
      }),
    )
  })
})

describe('other changes while a release is open', () => {
  const refusalOf = (snapshot: Snapshot, commands: readonly Command[]) =>
    whileOpen(snapshot, draftsFor(snapshot, commands))?.code

  it('are refused where it could stage them', () => {
    expect(refusalOf(open, [patch('a', { weight: 9 })])).toBe('release_open')
    expect(refusalOf(open, [creation('policy', 'other', {})])).toBe('release_open')
  })

  it('are refused where the other proxies would lose what they use', () => {
    const without = committed(now, startOn(now, [patch('a', { credential: null })]))
    expect(refusalOf(without, [removal('secret', 's')])).toBe('release_open')
    const settings = { implicitPolicy: 'p' }
    const pointing: Command = {
      ...{ op: 'put', resource: 'settings', id: 'default', spec: settings, ifMatch: null },
    }
    expect(refusalOf(open, [pointing])).toBe('release_open')
  })

  it('are made where they apply at once', () => {
    const key: Command = {
      ...{ op: 'create', resource: 'key', id: 'k', spec: { hash: 'ab'.repeat(32) } },
    }
    const closing: Command = {
      op: 'put',
      resource: 'settings',
      id: 'default',
      spec: { clientAuth: 'blocking' },
      ifMatch: null,
    }
    expect(refusalOf(open, [key, closing])).toBeUndefined()
  })

  it('are never refused when none is open', () => {
    expect(refusalOf(now, CHANGE)).toBeUndefined()
    const ended = committed(open, advance(open, null, true))
    expect(refusalOf(ended, [patch('a', { weight: 9 })])).toBeUndefined()
  })
})
