// Policies that were stored before their prompts were checked: they name backends that are not there.
import { type Snapshot } from '@signalbox/model'
import { decideAll } from './decide.ts'
import { diff } from './diff.ts'
import { decideConfig } from './config.ts'
import { type Command } from './command.ts'
import { decideUndo } from './release.ts'
import { decideRollback } from './rollback.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const backend = { kind: 'vllm', url: 'http://b' }
const prompts = (...names: string[]) => ({
  prompts: { backends: Object.fromEntries(names.map((name) => [name, { text: 'x' }])) },
})
const stale = snapshotOf({
  backends: { b: backend },
  policies: { p: prompts('b', 'gone'), q: {} },
})
const patch = (id: string, spec: object): Command => {
  return { op: 'patch', resource: 'policy', id, patch: spec, ifMatch: null }
}
const removal = (cascade: boolean): Command => {
  return { op: 'delete', resource: 'backend', id: 'b', ifMatch: null, cascade }
}
const codeOf = (commands: readonly Command[], snapshot: Snapshot = stale) => {
  const decided = decideAll(commands, snapshot)
  return decided.ok ? 'ok' : decided.error.code
}
const promptedBy = (snapshot: Snapshot, id = 'p') =>
  Object.keys(snapshot.policies.get(id)?.spec.prompts.backends ?? {})

describe('a policy that is stored with a prompt for no backend', () => {
  it('may be patched, and applied as it was exported', () => {
    expect(codeOf([patch('p', { strategy: 'RoundRobin' })])).toBe('ok')
    const policies = { p: stale.policies.get('p')?.spec, q: prompts('b') }
    const options = { prune: false, force: false, set: null }
    expect(decideConfig({ policies }, options)(stale).ok).toBe(true)
  })

  it('may not name another one, nor may another policy name the same', () => {
    expect(codeOf([patch('p', prompts('other'))])).toBe('dangling_reference')
    expect(codeOf([patch('q', prompts('gone'))])).toBe('dangling_reference')
  })

  it('does not keep one that goes with the change', () => {
    expect(codeOf([removal(false), patch('p', { labels: {} })])).toBe('dangling_reference')
    expect(codeOf([removal(true), patch('p', prompts('b'))])).toBe('dangling_reference')
    expect(codeOf([removal(true), patch('p', { labels: {} })])).toBe('ok')
  })
})

describe('a rollback to such a policy', () => {
  const back = (now: Snapshot, target: Snapshot, only: Parameters<typeof decideRollback>[0]) => {
    const decided = decideRollback(only)(now, { snapshot: target, touched: diff(now, target) })
    return decided.ok ? commit(now, decided.value) : decided.error.code
  }

  it.each([[null], [[{ resource: 'policy', id: 'p' } as const]]])(
    'brings it back without the prompts for what is not there (%j)',
    (only) => {
      const now = snapshotOf({ backends: { b: backend }, policies: { p: {}, q: {} } })
      const after = back(now, stale, only)
      expect(promptedBy(after as Snapshot)).toEqual(['b'])
    },
  )

  it('takes the prompt of one that stays where a backend of that name goes again', () => {
    const now = snapshotOf({
      backends: { b: backend, gone: backend },
      policies: { p: prompts('b', 'gone'), q: {} },
    })
    expect(promptedBy(back(now, stale, null) as Snapshot)).toEqual(['b'])
    // Of chosen resources it says what a delete says.
    expect(back(now, stale, [{ resource: 'backend', id: 'gone' }])).toBe('still_referenced')
  })

  it('of a release is not refused, and leaves no prompt for what is not there', () => {
    const before = stale.policies.get('p') ?? null
    const open = snapshotOf({
      backends: { b: backend },
      policies: { p: {}, q: {} },
      releases: {
        r: {
          ...{ state: 'open', base: 6, stages: [{ percent: 5 }], guard: {}, stage: 0, actor: 'a' },
          ...{ stageAt: '2026-01-02T00:00:00.000Z' },
          changes: [{ resource: 'policy', id: 'p', before }],
        },
      },
    })
    const undone = decideUndo(open, { id: 'r', stage: null, why: 'w' })
    expect(undone.ok && promptedBy(commit(open, undone.value))).toEqual(['b'])
  })
})
