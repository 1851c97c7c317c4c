import fc from 'fast-check'
import { type Snapshot } from '@signalbox/model'
import {
  type ApplyOptions,
  configOf,
  type ConfigDocument,
  decideConfig,
  readConfigDocument,
} from './config.ts'
import { decide, decideAll } from './decide.ts'
import { decideRollback } from './rollback.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const backend = (weight = 1) => ({ kind: 'vllm', url: 'http://b', weight })
const route = (name: string) => ({ tiers: [{ targets: [{ backend: name }] }] })
const some = { backends: { a: backend(), b: backend() }, routes: { r: route('a') } }
const now = snapshotOf(some)

interface Applied {
  /** `type id`, in the order of the drafts. */
  readonly drafts?: readonly string[]
  readonly code?: string
  readonly paths?: readonly string[]
  readonly after?: Snapshot
}

function apply(
  document: ConfigDocument,
  { on = now, ...how }: Partial<ApplyOptions> & { on?: Snapshot } = {},
): Applied {
  const decided = decideConfig(document, { set: null, prune: false, force: false, ...how })(on)
  if (!decided.ok) {
    const { code, errors = [] } = decided.error
    return { code, paths: errors.map(({ path }) => path) }
  }
  const drafts = decided.value.map(({ type, id }) => `${type} ${id}`)
  return { drafts, after: commit(on, decided.value) }
}

describe('a document', () => {
  it('writes what it names and leaves the rest', () => {
    const { drafts } = apply({ backends: { a: backend(3), c: backend() } })
    expect(drafts).toEqual(['backend.updated a', 'backend.created c'])
  })

  it('changes nothing where all is so already, defaults filled in or not', () => {
    expect(apply(some).drafts).toEqual([])
    expect(apply(configOf(now), { prune: true }).drafts).toEqual([])
  })

  it('may refer to what it brings itself, in any order', () => {
    expect(apply({ routes: { s: route('new') }, backends: { new: backend() } }).drafts).toEqual([
      'backend.created new',
      'route.created s',
    ])
  })

  it('is refused with the places of all its problems', () => {
    const wrong = {
      backends: { a: { kind: 'abacus', url: 'x' }, 'no id': backend() },
      policies: { p: { retry: { maxRetries: -1 } } },
    }
    expect(apply(wrong)).toEqual({
      code: 'validation_failed',
      paths: ['backends.a.kind', 'backends.a.url', 'backends.no id', 'policies.p.retry.maxRetries'],
    })
  })

  it('is refused where a route refers to nothing', () => {
    expect(apply({ routes: { s: route('nope') } })).toEqual({
      code: 'dangling_reference',
      paths: ['routes.s.tiers.0.targets.0.backend'],
    })
  })

  it('read back from what it made is what was there', () => {
    const weights = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 9 }))
    fc.assert(
      fc.property(weights, weights, (before, after) => {
        const of = (all: Record<string, number>) =>
          Object.fromEntries(Object.entries(all).map(([id, weight]) => [id, backend(weight)]))
        const on = snapshotOf({ backends: of(before) })
        const made = apply({ backends: of(after) }, { on, prune: true, force: true }).after
        expect(made && configOf(made)).toEqual(configOf(snapshotOf({ backends: of(after) })))
      }),
    )
  })

  it.each([
    [null, ['']],
    [[], ['']],
    [{ backends: [], gizmos: {}, sets: {} }, ['backends', 'gizmos', 'sets']],
  ])('that has no such shape is refused: %j', (input, paths) => {
    const read = readConfigDocument(input)
    expect(!read.ok && read.error.map(({ path }) => path)).toEqual(paths)
  })
})

describe('pruning', () => {
  const six = { backends: Object.fromEntries([...'abcdef'].map((id) => [id, backend()])) }
  const on = snapshotOf(six)

  it('deletes what the document leaves out', () => {
    const { f: _f, ...rest } = six.backends
    expect(apply({ backends: rest }, { on, prune: true }).drafts).toEqual(['backend.deleted f'])
  })

  it('is refused above a fifth of what is there, unless it is forced', () => {
    const { e: _e, f: _f, ...rest } = six.backends
    expect(apply({ backends: rest }, { on, prune: true }).code).toBe('prune_too_large')
    expect(apply({}, { on, prune: true }).code).toBe('prune_too_large')
    const forced = apply({ backends: rest }, { on, prune: true, force: true })
    expect(forced.drafts).toEqual(['backend.deleted e', 'backend.deleted f'])
  })

  it('does not take what is still needed', () => {
    const document = { routes: { r: route('a') } }
    expect(apply(document, { prune: true, force: true })).toEqual({
      code: 'dangling_reference',
      paths: ['routes.r.tiers.0.targets.0.backend'],
    })
  })

  it('leaves the settings as they are, which open or close the fleet', () => {
    const settings = { default: { clientAuth: 'blocking' } }
    const with6 = snapshotOf({ ...six, settings })
    expect(apply({}, { on: with6, prune: true, force: true }).drafts).toHaveLength(6)
    expect(apply({ settings: { default: {} } }, { on: with6 }).drafts).toEqual([
      'settings.updated default',
    ])
  })

  it('deletes nothing where it is not asked for', () => {
    expect(apply({}, { on }).drafts).toEqual([])
  })
})

describe('a set', () => {
  const owned = apply({ backends: { c: backend(), d: backend() } }, { set: 'team' })
  const on = owned.after ?? now

  it('owns what its document names', () => {
    expect(owned.drafts).toEqual(
      ['backend.created c', 'backend.created d', 'set.updated team'].map((d) =>
        d.replace('updated', 'created'),
      ),
    )
    expect(on.sets.get('team')?.spec.members).toEqual(['backend/c', 'backend/d'])
  })

  it('prunes its own and nothing else, and what went is no longer owned', () => {
    const { drafts, after } = apply(
      { backends: { c: backend() } },
      { on, set: 'team', prune: true, force: true },
    )
    expect(drafts).toEqual(['backend.deleted d', 'set.updated team'])
    expect(after?.sets.get('team')?.spec.members).toEqual(['backend/c'])
  })

  it('keeps what it had and does not name where it does not prune', () => {
    const { after } = apply({ backends: { e: backend() } }, { on, set: 'team' })
    expect(after?.sets.get('team')?.spec.members).toEqual(['backend/c', 'backend/d', 'backend/e'])
  })

  it('loses what is deleted in any other way, so that another set may create it anew', () => {
    const without = (decided: ReturnType<typeof decide>, base = on) => {
      const after = decided.ok ? commit(base, decided.value) : base
      return after.sets.get('team')?.spec.members
    }
    const remove = { op: 'delete', resource: 'backend', id: 'd', ifMatch: null } as const
    expect(without(decide(remove, on))).toEqual(['backend/c'])
    expect(without(decideAll([remove, { ...remove, id: 'c' }], on))).toEqual([])
    const pruned = apply(some, { on, prune: true, force: true })
    expect(pruned.after?.sets.get('team')?.spec.members).toEqual([])
    const only = [{ resource: 'backend', id: 'd' }] as const
    expect(without(decideRollback(only)(on, { snapshot: now, touched: only }))).toEqual([
      'backend/c',
    ])
    // What is only written anew stays its own.
    expect(apply({ backends: { c: backend(3) } }, { on, set: 'team' }).drafts).toEqual([
      'backend.updated c',
    ])
  })

  it('that a rollback brings back does not name what was deleted before and stays so', () => {
    const secret = { sealed: 'AQID', fingerprint: 'f00d' }
    const set = { team: { members: ['backend/a', 'secret/s'] } }
    const then = snapshotOf({ ...some, secrets: { s: secret }, sets: set })
    const today = snapshotOf(some)
    const touched = [
      { resource: 'secret', id: 's' },
      { resource: 'set', id: 'team' },
    ] as const
    const decided = decideRollback(null)(today, { snapshot: then, touched })
    expect(decided.ok && decided.value.map(({ spec }) => spec)).toEqual([
      { members: ['backend/a'] },
    ])
  })

  it('may take over what belongs to nobody, and nothing of another set', () => {
    expect(apply({ backends: { a: backend() } }, { on, set: 'other' }).drafts).toEqual([
      'set.created other',
    ])
    const foreign = { backends: { a: backend(), c: backend(2) } }
    const refused = { code: 'owned_by_set', paths: ['backends.c'] }
    expect(apply(foreign, { on, set: 'other' })).toEqual(refused)
    expect(apply(foreign, { on })).toEqual(refused)
  })

  it('changes nothing where it says what there is, whoever owns that', () => {
    expect(apply({ backends: { c: backend(), d: backend() } }, { on }).drafts).toEqual([])
  })

  it('changes nothing when it is applied again', () => {
    const again = apply(
      { backends: { c: backend(), d: backend() } },
      { on, set: 'team', prune: true },
    )
    expect(again.drafts).toEqual([])
  })
})
