// What is deleted belongs to no set any longer, whatever else the same change does.
import { type Resource, type SetSpec, type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { decideAll } from './decide.ts'
import { decideUndo, whileOpen } from './release.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const backend = { kind: 'vllm', url: 'http://b' }
const removal = (id: string): Command => {
  return { op: 'delete', resource: 'backend', id, ifMatch: null }
}
const creation = (id: string): Command => {
  return { op: 'create', resource: 'backend', id, spec: backend }
}
const ids = (count: number) => Array.from({ length: count }, (_, n) => `b${n}`)

describe('several commands', () => {
  const given = snapshotOf({
    backends: { a: backend, b: backend },
    sets: { s: { members: ['backend/a', 'backend/b'] }, none: { members: [] } },
  })
  const membersAfter = (commands: readonly Command[]) => {
    const decided = decideAll(commands, given)
    if (!decided.ok) return decided.error.code
    return commit(given, decided.value).sets.get('s')?.spec.members
  }
  const put = (...members: string[]): Command => {
    return { op: 'put', resource: 'set', id: 's', spec: { members }, ifMatch: null }
  }

  it('take from a set what they delete, also where they create it anew', () => {
    expect(membersAfter([removal('a')])).toEqual(['backend/b'])
    expect(membersAfter([removal('a'), creation('a')])).toEqual(['backend/b'])
    expect(membersAfter([put('backend/a'), removal('a')])).toEqual([])
  })

  it('leave a set that was written afterwards as it says', () => {
    expect(membersAfter([removal('a'), creation('a'), put('backend/a')])).toEqual(['backend/a'])
    expect(membersAfter([removal('a'), put('backend/a', 'backend/b')])).toBe('dangling_reference')
    const same = { op: 'patch', resource: 'set', id: 's', patch: {}, ifMatch: null } as const
    expect(membersAfter([removal('a'), same, removal('b')])).toEqual([])
  })

  it('look at each set a few times, however many they are', () => {
    const looksFor = (count: number) => {
      const members = ['backend/kept']
      let looks = 0
      const spec: SetSpec = {
        get members() {
          looks++
          return members
        },
      }
      const backends = Object.fromEntries(['kept', ...ids(count)].map((id) => [id, backend]))
      const plain = snapshotOf({ backends, sets: { s: { members } } })
      const stored = { ...plain.sets.get('s'), spec } as Resource<'set'>
      const counted: Snapshot = { ...plain, sets: new Map([['s', stored]]) }
      expect(decideAll(ids(count).map(removal), counted).ok).toBe(true)
      return looks
    }
    expect(looksFor(50)).toBe(looksFor(2))
  })
})

describe('a secret of a set, while a release is open', () => {
  const member = 'secret/s'
  const before = { id: 'own', version: 1, revision: 1, spec: { members: [member] } }
  const given = (more: object = {}) =>
    snapshotOf({
      backends: { b: backend },
      secrets: { s: { sealed: 'AQID', fingerprint: 'f00d' } },
      sets: { own: { members: [member, 'backend/b'] } },
      releases: {
        r: {
          ...{ state: 'open', base: 6, stages: [{ percent: 5 }], guard: {}, stage: 0, actor: 'a' },
          ...{ stageAt: '2026-01-02T00:00:00.000Z', changes: [], ...more },
        },
      },
    })
  const open = given()
  const deletion = { op: 'delete', resource: 'secret', id: 's', ifMatch: null } as const
  const draftsFor = (commands: readonly Command[], snapshot: Snapshot = open) => {
    const decided = decideAll(commands, snapshot)
    if (!decided.ok) throw new Error(decided.error.message)
    return decided.value
  }
  const patch = (...members: string[]): Command => {
    return { op: 'patch', resource: 'set', id: 'own', patch: { members }, ifMatch: null }
  }

  it('is deleted, and the set loses it', () => {
    const drafts = draftsFor([deletion])
    expect(drafts.map(({ type }) => type).sort()).toEqual(['secret.deleted', 'set.updated'])
    expect(whileOpen(open, drafts)).toBeUndefined()
  })

  it('takes nothing else of the set along', () => {
    const refused = (commands: readonly Command[]) => whileOpen(open, draftsFor(commands))?.code
    expect(refused([patch(member)])).toBe('release_open')
    expect(refused([deletion, patch()])).toBe('release_open')
    const gone = { op: 'delete', resource: 'set', id: 'own', ifMatch: null } as const
    expect(refused([deletion, gone])).toBe('release_open')
  })

  it('does not come back to the set with a rollback of the release', () => {
    const changing = given({ changes: [{ resource: 'set', id: 'own', before }] })
    const after = commit(changing, draftsFor([deletion], changing))
    const undone = decideUndo(after, { id: 'r', stage: null, why: 'w' })
    const members = undone.ok && commit(after, undone.value).sets.get('own')?.spec.members
    expect(members).toEqual([])
  })
})
