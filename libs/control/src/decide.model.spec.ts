import fc from 'fast-check'
import { collection, emptySnapshot, type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { decide, decideAll } from './decide.ts'
import {
  type Action,
  commandOf,
  EMPTY,
  keyOf,
  type Match,
  type Name,
  naiveStep,
  OPS,
  problemsOf,
  shown,
  shownOf,
  type Values,
} from './naive-harness.ts'
import { commit } from './snapshot-harness.ts'

const value = fc.integer({ min: 0, max: 2 })
const backendId = fc.constantFrom('b1', 'b2')
const policyId = fc.constantFrom('p1', 'p2')
const modelName = fc.constantFrom('m1', 'm2')
const secretId = fc.constantFrom('s1', 's2')
const orNull = <T>(one: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: one })
const written = <One extends Name>(
  resource: One,
  id: fc.Arbitrary<string>,
  values: { readonly [Field in keyof Values[One]]: fc.Arbitrary<Values[One][Field]> },
) =>
  fc.tuple(id, fc.record(values)).map(([of, value]) => ({ id: of, written: { resource, value } }))

const MEMBERS = ['backend/b1', 'backend/b2', 'policy/p1', 'route/m1', 'secret/s1']
const route = written('route', modelName, {
  backend: backendId,
  policy: fc.oneof(policyId, fc.constant('default')),
  aliases: fc.array(fc.oneof(modelName, fc.constantFrom('a1', 'a2')), { maxLength: 1 }),
})
/** Routes refer to the most, and so are refused the most. */
const target = fc.oneof(
  written('backend', backendId, { weight: value, secret: orNull(secretId) }),
  written('policy', policyId, { retries: value, prompt: orNull(backendId) }),
  ...Array<typeof route>(3).fill(route),
  written('secret', secretId, { value: fc.constantFrom('AQID', 'AQIE') }),
  written('key', fc.constantFrom('k1', 'k2'), {
    owner: fc.constantFrom('x', 'y'),
    hash: value.map((n) => String(n).repeat(64)),
  }),
  written('set', fc.constantFrom('t1', 't2'), { members: fc.subarray(MEMBERS, { maxLength: 3 }) }),
)
const op = fc.constantFrom(...OPS, 'put' as const, 'put' as const)
const match = fc.constantFrom<Match>('none', 'none', 'any', 'own', 'old')
const action = fc
  .tuple(target, op, match)
  .map(([named, how, which]) => ({ ...named, op: how, match: which }) as Action)
const actions = fc.array(action, { minLength: 15, maxLength: 40 })

const KINDS: readonly Name[] = ['backend', 'policy', 'route', 'secret', 'key', 'set']
const RUNS = { numRuns: 150 }
const unmatched = (one: Action): Action => ({ ...one, match: 'none' })

describe('decide and project against a naive model', () => {
  it('refuse what the model refuses, and otherwise end where it ends', () => {
    const taken = new Set<string>()
    fc.assert(
      fc.property(actions, (all) => {
        let naive = EMPTY
        let snapshot = emptySnapshot('l1')
        for (const action of all) {
          const expected = naiveStep(naive, action)
          const decided = decide(commandOf(action, naive), snapshot)
          expect([action, decided.ok]).toEqual([action, expected !== undefined])
          taken.add(`${action.written.resource} ${decided.ok}`).add(`${action.op} ${decided.ok}`)
          if (!decided.ok || !expected) continue
          naive = expected
          snapshot = commit(snapshot, decided.value)
          expect(shownOf(snapshot)).toEqual(shown(naive))
          // What was just written is there: the same put again is no change.
          if (action.op !== 'create' && action.op !== 'put') continue
          const repeated = decide(commandOf({ ...unmatched(action), op: 'put' }), snapshot)
          expect(repeated).toEqual({ ok: true, value: [] })
        }
      }),
      RUNS,
    )
    const wanted = [...KINDS, ...OPS].flatMap((one) => [`${one} true`, `${one} false`])
    expect(wanted.filter((one) => !taken.has(one))).toEqual([])
  })

  it('count every change of a resource once', () => {
    fc.assert(
      fc.property(actions, (all) => {
        let snapshot = emptySnapshot('l1')
        for (const action of all) {
          const before = snapshot
          const decided = decide(commandOf(unmatched(action)), snapshot)
          if (!decided.ok) continue
          snapshot = commit(snapshot, decided.value)
          const keys = decided.value.map(keyOf)
          expect(new Set(keys).size).toBe(keys.length)
          for (const draft of decided.value) {
            const { resource, id, version } = draft
            expect(version).toBe((collection(before, resource).get(id)?.version ?? 0) + 1)
          }
        }
      }),
      RUNS,
    )
  })

  it('end at the same place when a valid sequence is one change', () => {
    fc.assert(
      fc.property(actions, (all) => {
        let stepwise = emptySnapshot('l1')
        const taken: Command[] = []
        for (const action of all.map(unmatched)) {
          const decided = decide(commandOf(action), stepwise)
          if (!decided.ok) continue
          taken.push(commandOf(action))
          stepwise = commit(stepwise, decided.value)
        }
        const atOnce = decideAll(taken, emptySnapshot('l1'))
        expect(atOnce.ok).toBe(true)
        if (!atOnce.ok) return
        const keys = atOnce.value.map(keyOf)
        expect(new Set(keys).size).toBe(keys.length)
        const specs = (snapshot: Snapshot) =>
          new Map([...shownOf(snapshot)].map(([key, { spec }]) => [key, spec]))
        expect(specs(commit(emptySnapshot('l1'), atOnce.value))).toEqual(specs(stepwise))
      }),
      RUNS,
    )
  })

  it('hold together after any change that is accepted as a whole', () => {
    fc.assert(
      fc.property(actions, actions, (first, second) => {
        let naive = EMPTY
        const given = first.reduce((snapshot, action) => {
          const decided = decide(commandOf(action, naive), snapshot)
          naive = naiveStep(naive, action) ?? naive
          return decided.ok ? commit(snapshot, decided.value) : snapshot
        }, emptySnapshot('l1'))
        const few = second.slice(0, 6).map(unmatched)
        const decided = decideAll(
          few.map((one) => commandOf(one)),
          given,
        )
        if (decided.ok) expect(problemsOf(commit(given, decided.value))).toEqual([])
        else expect(decided.error.errors?.[0]?.path).toMatch(/^operations\.\d/)
      }),
      RUNS,
    )
  })
})
