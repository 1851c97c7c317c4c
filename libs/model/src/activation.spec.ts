import fc from 'fast-check'
import {
  activeFor,
  type Activating,
  isInCohort,
  openRelease,
  placeOf,
  placesBelow,
} from './activation.ts'
import { addCounts, isReleaseCounts, type ReleaseCounts } from './release-counts.ts'
import { type Release, releasePlan, type ReleaseSpec } from './release.ts'
import { parseSpec, type Resource, type ResourceName } from './resource.ts'
import { decodeSnapshot, encodeSnapshot, type Snapshot, snapshotFrom } from './snapshot.ts'

const AT = '2026-01-02T03:04:05.678Z'
const HEAD = { lineage: 'l', epoch: 1, revision: 9, hash: 'ab'.repeat(32) }

function resource(name: ResourceName, id: string, input: unknown, revision = 3): Resource {
  const parsed = parseSpec(name, input)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return { id, version: 1, revision, createdAt: AT, updatedAt: AT, spec: parsed.value }
}

const backend = (id: string, host: string, revision: number) =>
  resource('backend', id, { kind: 'ollama', url: `http://${host}.test` }, revision)

function released(more: Partial<ReleaseSpec>): Release {
  const spec = {
    state: 'open',
    base: 6,
    stages: [{ percent: 50, bake: 1, below: 2 ** 31 }],
    guard: {},
    stage: 0,
    stageAt: AT,
    actor: 'a',
    changes: [
      { resource: 'backend', id: 'changed', before: backend('changed', 'then', 3) },
      { resource: 'backend', id: 'created', before: null },
      { resource: 'backend', id: 'deleted', before: backend('deleted', 'gone', 4) },
    ],
    ...more,
  }
  return resource('release', 'release-7', spec, 7) as Release
}

function snapshotWith(release: Release | null): Snapshot {
  const backends = ['changed', 'created', 'same'].map((id) => backend(id, 'now', 7))
  const of: Partial<Record<ResourceName, readonly Resource[]>> = {
    backend: backends,
    key: [resource('key', 'k', { hash: 'ab'.repeat(32) }, 9)],
    release: release ? [release] : [],
  }
  return snapshotFrom(HEAD, (name) => new Map((of[name] ?? []).map((one) => [one.id, one])))
}

const proxy = (id: string, labels = {}): Activating => ({ id, role: 'proxy', labels })
const hostsOf = ({ backends }: Snapshot) =>
  Object.fromEntries([...backends].map(([id, { spec }]) => [id, new URL(spec.url).hostname]))
const NOBODY = [{ labels: { canary: 'yes' }, bake: 1 }]

describe('what is active', () => {
  it('is all that was received where no release is open, the very same', () => {
    const ended = released({ state: 'promoted', changes: [] })
    for (const snapshot of [snapshotWith(null), snapshotWith(ended)]) {
      expect(openRelease(snapshot)).toBeUndefined()
      expect(activeFor(snapshot, proxy('p'))).toBe(snapshot)
      expect(activeFor(snapshot, { ...proxy('p'), role: 'probe' })).toBe(snapshot)
    }
  })

  it('is what was before for who takes no part, but for what is not staged', () => {
    const snapshot = snapshotWith(released({ stages: NOBODY }))
    const active = activeFor(snapshot, proxy('p'))
    expect(hostsOf(active)).toEqual({
      changed: 'then.test',
      deleted: 'gone.test',
      same: 'now.test',
    })
    expect(active.head).toEqual({ ...HEAD, revision: 6 })
    expect(active.keys).toBe(snapshot.keys)
    expect(active.backends.get('changed')?.revision).toBe(3)
  })

  it('takes the data key of a credential from the present value of it', () => {
    const withKey = (sealed: string, host: string) =>
      resource('backend', 'b', {
        ...{ kind: 'ollama', url: `http://${host}.test` },
        credential: { sealed, fingerprint: 'f' },
      })
    const changes = [
      { resource: 'backend' as const, id: 'b', before: withKey('dk1:k:TEXT', 'then') },
    ]
    const release = released({ stages: NOBODY, changes })
    const snapshot = snapshotFrom(HEAD, (name): ReadonlyMap<string, Resource> => {
      if (name === 'release') return new Map([[release.id, release]])
      return name === 'backend' ? new Map([['b', withKey('dk1:k:TEXT:KEY', 'now')]]) : new Map()
    })
    const active = activeFor(snapshot, proxy('p')).backends.get('b')?.spec
    expect(active).toMatchObject({
      url: 'http://then.test',
      credential: { sealed: 'dk1:k:TEXT:KEY' },
    })
  })

  it('is all of it for the cohort', () => {
    const snapshot = snapshotWith(released({ stages: NOBODY }))
    expect(activeFor(snapshot, proxy('p', { canary: 'yes', zone: 'a' }))).toBe(snapshot)
  })

  it('is for a probe what most use, and what is new', () => {
    const snapshot = snapshotWith(released({ stages: NOBODY }))
    const active = activeFor(snapshot, { ...proxy('p'), role: 'probe' })
    expect(hostsOf(active)).toEqual({
      changed: 'then.test',
      created: 'now.test',
      deleted: 'gone.test',
      same: 'now.test',
    })
    expect(active.head).toEqual(HEAD)
  })

  it('is the same after the snapshot was on a disk', () => {
    const snapshot = snapshotWith(released({ stages: NOBODY }))
    const read = decodeSnapshot(encodeSnapshot(snapshot))
    if (!read.ok) throw new Error(read.error)
    const active = activeFor(read.value, proxy('p'))
    expect(active).toEqual(activeFor(snapshot, proxy('p')))
  })
})

const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), {
  minLength: 2,
  maxLength: 60,
})
const nth = fc.nat({ max: 100_000 })

describe('the cohort', () => {
  it('has its share of the proxies, and never nobody and never all', () => {
    fc.assert(
      fc.property(ids, nth, fc.integer({ min: 1, max: 99 }), (proxies, n, percent) => {
        const id = `release-${n}`
        const below = placesBelow(id, { percent, proxies })
        const count = proxies.filter((one) => placeOf(id, one) < below).length
        const wanted = Math.round((percent / 100) * proxies.length)
        expect(count).toBe(Math.min(proxies.length - 1, Math.max(1, wanted)))
      }),
    )
  })

  it('only grows from stage to stage', () => {
    fc.assert(
      fc.property(ids, nth, (proxies, n) => {
        const id = `release-${n}`
        const stages = [10, 40, 80].map((percent) => {
          return { percent, bake: 1, below: placesBelow(id, { percent, proxies }) }
        })
        for (const one of proxies) {
          const inIt = [0, 1, 2].map((stage) => {
            const { spec } = released({ stages, stage })
            return isInCohort({ id, spec }, proxy(one))
          })
          expect(inIt.toSorted()).toEqual(inIt)
        }
      }),
    )
  })

  it('is another one in another release', () => {
    const proxies = Array.from({ length: 100 }, (_, index) => `proxy-${index}`)
    const tenOf = (id: string) => {
      const below = placesBelow(id, { percent: 10, proxies })
      return proxies.filter((one) => placeOf(id, one) < below)
    }
    const taken = new Set(Array.from({ length: 100 }, (_, n) => tenOf(`release-${n}`)).flat())
    expect(taken.size).toBe(100)
  })

  it('keeps who came by an earlier stage, and asks for every label of one', () => {
    const stages = [...NOBODY, { percent: 1, bake: 1, below: 0 }]
    const { id, spec } = released({ stages, stage: 1 })
    expect(isInCohort({ id, spec }, proxy('p', { canary: 'yes' }))).toBe(true)
    expect(isInCohort({ id, spec }, proxy('p', { canary: 'no' }))).toBe(false)
    // A stage that is still to come names nobody.
    const before = released({ stages: [{ percent: 1, bake: 1, below: 0 }, ...NOBODY] })
    expect(isInCohort(before, proxy('p', { canary: 'yes' }))).toBe(false)
  })
})

describe('the plan of a release', () => {
  it('has two stages and a guard where nothing is said', () => {
    const { stages, guard } = releasePlan.parse({})
    expect(stages.map(({ percent }) => percent)).toEqual([10, 50])
    expect(guard).toEqual({ maxErrorRateIncrease: 0.01, minRequests: 100 })
  })

  it.each([
    ['no stage', { stages: [] }],
    ['both ways at once', { stages: [{ percent: 10, labels: { a: 'b' } }] }],
    ['neither', { stages: [{ bake: '1s' }] }],
    ['labels that all have', { stages: [{ labels: {} }] }],
    ['all at once', { stages: [{ percent: 100 }] }],
    ['stages that shrink', { stages: [{ percent: 50 }, { percent: 10 }] }],
    ['another word', { stages: [{ percent: 50, below: 7 }] }],
    ['a guard of more than all', { guard: { maxErrorRateIncrease: 1.5 } }],
  ])('is refused with %s', (_, plan) => {
    expect(releasePlan.safeParse(plan).success).toBe(false)
  })
})

const COUNTS: ReleaseCounts = {
  ...{ release: 'release-7', stage: 0, cohort: true, requests: 5, firstByteMs: 80 },
  errors: { failed: 1, refused: 0, unrouted: 2, limited: 0 },
  firstBytes: [1, 0, 0, 0, 0, 0, 0, 0, 0, 3],
}

describe('counts', () => {
  it('of one side are added up, those of an older stage or release left out', () => {
    const old = [
      { ...COUNTS, release: 'release-6' },
      { ...COUNTS, stage: 0 },
    ]
    const now = { ...COUNTS, release: 'release-10', stage: 1 }
    const sum = addCounts([old[0], undefined, now, ...old, now])
    expect(sum).toEqual({
      ...now,
      requests: 10,
      firstByteMs: 160,
      errors: { failed: 2, refused: 0, unrouted: 4, limited: 0 },
      firstBytes: [2, 0, 0, 0, 0, 0, 0, 0, 0, 6],
    })
    expect(addCounts([undefined])).toBeUndefined()
  })

  it('that are none are told from those that are', () => {
    expect(isReleaseCounts(COUNTS)).toBe(true)
    const wrong = [
      null,
      7,
      { ...COUNTS, requests: -1 },
      { ...COUNTS, errors: {} },
      { ...COUNTS, firstBytes: [1] },
      { ...COUNTS, firstByteMs: null },
      { ...COUNTS, release: 7 },
    ]
    for (const one of wrong) expect(isReleaseCounts(one)).toBe(false)
  })
})
