import fc from 'fast-check'
import { collection, emptySnapshot, type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { decide, decideAll } from './decide.ts'
import { commit } from './snapshot-harness.ts'

/*
 * decide() and project() against a model that is as naive as can be: three maps, every rule
 * written as one sentence over all of it.
 */

interface NaiveRoute {
  readonly backend: string
  readonly policy: string
  readonly aliases: readonly string[]
}

interface Naive {
  readonly backend: ReadonlyMap<string, number>
  readonly policy: ReadonlyMap<string, number>
  readonly route: ReadonlyMap<string, NaiveRoute>
}

type Write =
  | { readonly resource: 'backend'; readonly id: string; readonly value: number }
  | { readonly resource: 'policy'; readonly id: string; readonly value: number }
  | { readonly resource: 'route'; readonly id: string; readonly value: NaiveRoute }
type Action = { readonly op: 'create' | 'put' | 'delete'; readonly write: Write }

const EMPTY: Naive = { backend: new Map(), policy: new Map(), route: new Map() }

function holds({ backend, policy, route }: Naive): boolean {
  const routes = [...route]
  const names = routes.flatMap(([id, { aliases }]) => [id, ...aliases])
  return (
    routes.every(([, r]) => backend.has(r.backend)) &&
    routes.every(([, r]) => r.policy === 'default' || policy.has(r.policy)) &&
    new Set(names).size === names.length
  )
}

/** The model after an action, or undefined where it is refused. */
function naiveStep(naive: Naive, { op, write }: Action): Naive | undefined {
  const exists = naive[write.resource].has(write.id)
  if ((op === 'create' && exists) || (op === 'delete' && !exists)) return undefined
  const all = new Map<string, unknown>(naive[write.resource])
  if (op === 'delete') all.delete(write.id)
  else all.set(write.id, write.value)
  const after = { ...naive, [write.resource]: all } as Naive
  return holds(after) ? after : undefined
}

function specOf(write: Write): unknown {
  if (write.resource === 'backend') {
    return { kind: 'ollama', url: 'http://h.test', weight: write.value }
  }
  if (write.resource === 'policy') return { retry: { maxRetries: write.value } }
  const { backend, policy, aliases } = write.value
  return { tiers: [{ targets: [{ backend }] }], policy, aliases }
}

function commandOf({ op, write }: Action): Command {
  const { resource, id } = write
  if (op === 'delete') return { op, resource, id, ifMatch: null }
  const spec = specOf(write)
  return op === 'create' ? { op, resource, id, spec } : { op, resource, id, spec, ifMatch: null }
}

function naiveOf({ backends, policies, routes }: Snapshot): Naive {
  return {
    backend: new Map([...backends].map(([id, { spec }]) => [id, spec.weight])),
    policy: new Map([...policies].map(([id, { spec }]) => [id, spec.retry.maxRetries])),
    route: new Map(
      [...routes].map(([id, { spec }]) => {
        const backend = spec.tiers[0]?.targets[0]?.backend ?? ''
        return [id, { backend, policy: spec.policy, aliases: spec.aliases }]
      }),
    ),
  }
}

const value = fc.integer({ min: 0, max: 2 })
const backendId = fc.constantFrom('b1', 'b2', 'b3')
const policyId = fc.constantFrom('p1', 'p2')
const modelName = fc.constantFrom('m1', 'm2', 'm3')
const route = fc.record({
  backend: backendId,
  policy: fc.oneof(policyId, fc.constant('default')),
  aliases: fc.array(fc.oneof(modelName, fc.constantFrom('a1', 'a2')), { maxLength: 2 }),
})
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ resource: fc.constant('backend' as const), id: backendId, value }),
  fc.record({ resource: fc.constant('policy' as const), id: policyId, value }),
  fc.record({ resource: fc.constant('route' as const), id: modelName, value: route }),
)
const op = fc.constantFrom('create' as const, 'put' as const, 'put' as const, 'delete' as const)
const actions = fc.array(fc.record({ op, write }), { maxLength: 40 })

const RUNS = { numRuns: 300 }

describe('decide and project against a naive model', () => {
  it('refuse what the model refuses, and otherwise end where it ends', () => {
    fc.assert(
      fc.property(actions, (all) => {
        let naive = EMPTY
        let snapshot = emptySnapshot('l1')
        for (const action of all) {
          const expected = naiveStep(naive, action)
          const decided = decide(commandOf(action), snapshot)
          expect(decided.ok).toBe(expected !== undefined)
          if (!decided.ok || !expected) continue
          naive = expected
          snapshot = commit(snapshot, decided.value)
          expect(naiveOf(snapshot)).toEqual(naive)
          // What was just written is there: the same put again is no change.
          const { write: again } = action
          if (action.op === 'delete') continue
          const repeated = decide(commandOf({ op: 'put', write: again }), snapshot)
          expect(repeated).toEqual({ ok: true, value: [] })
        }
      }),
      RUNS,
    )
  })

  it('count every change of a resource once', () => {
    fc.assert(
      fc.property(actions, (all) => {
        let snapshot = emptySnapshot('l1')
        for (const action of all) {
          const before = snapshot
          const decided = decide(commandOf(action), snapshot)
          if (!decided.ok) continue
          expect(decided.value.length).toBeLessThanOrEqual(1)
          snapshot = commit(snapshot, decided.value)
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
        for (const action of all) {
          const decided = decide(commandOf(action), stepwise)
          if (!decided.ok) continue
          taken.push(commandOf(action))
          stepwise = commit(stepwise, decided.value)
        }
        const atOnce = decideAll(taken, emptySnapshot('l1'))
        expect(atOnce.ok).toBe(true)
        if (!atOnce.ok) return
        const keys = atOnce.value.map(({ resource, id }) => `${resource}/${id}`)
        expect(new Set(keys).size).toBe(keys.length)
        expect(naiveOf(commit(emptySnapshot('l1'), atOnce.value))).toEqual(naiveOf(stepwise))
      }),
      RUNS,
    )
  })

  it('hold together after any change that is accepted as a whole', () => {
    fc.assert(
      fc.property(actions, actions, (first, second) => {
        const given = first.reduce((snapshot, action) => {
          const decided = decide(commandOf(action), snapshot)
          return decided.ok ? commit(snapshot, decided.value) : snapshot
        }, emptySnapshot('l1'))
        const decided = decideAll(second.slice(0, 6).map(commandOf), given)
        if (decided.ok) expect(holds(naiveOf(commit(given, decided.value)))).toBe(true)
        else expect(decided.error.errors?.[0]?.path).toMatch(/^operations\.\d/)
      }),
      RUNS,
    )
  })
})
