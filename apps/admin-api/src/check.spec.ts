import { randomBytes } from 'node:crypto'
import { type Draft, parseSpec, type Snapshot, type Spec } from '@signalbox/model'
import { snapshotOfSpecs } from '@signalbox/testing'
import { checksFor } from './check.ts'

const operator = { id: 'o', role: 'operator' } as const
const backend = { kind: 'vllm', url: 'http://b', models: [] }
const route = (name: string) => ({ tiers: [{ targets: [{ backend: name }] }] })

function specOf(name: 'backend' | 'route', input: unknown): Spec {
  const parsed = parseSpec(name, input)
  if (!parsed.ok) throw new Error('wrong spec')
  return parsed.value
}

function check(snapshot: Snapshot, ...drafts: Draft[]) {
  const [refusal] = checksFor({ actor: operator }).flatMap((check) => check(snapshot, drafts) ?? [])
  return refusal ? `${refusal.code}: ${refusal.message}` : 'taken'
}

const created = (resource: 'backend' | 'route', id: string, spec: Spec): Draft => {
  return { type: `${resource}.created`, resource, id, version: 1, spec }
}

describe('a change that was decided', () => {
  const now = snapshotOfSpecs({ backends: { b: backend } })

  it('is taken where a proxy can use it, alone or with what it refers to', () => {
    expect(check(now, created('route', 'r', specOf('route', route('b'))))).toBe('taken')
    expect(check(now, created('backend', 'c', specOf('backend', backend)))).toBe('taken')
    const both = [
      created('backend', 'c', specOf('backend', backend)),
      created('route', 'r', specOf('route', route('c'))),
    ]
    expect(check(now, ...both)).toBe('taken')
  })

  it('is refused where a proxy could not use it', () => {
    const strange = { ...specOf('backend', backend), kind: 'abacus' } as unknown as Spec
    expect(check(now, created('backend', 'c', strange))).toBe(
      'does_not_compile: backend c: unknown kind "abacus"',
    )
    expect(check(now, created('route', 'r', specOf('route', route('nope'))))).toMatch(
      /^does_not_compile: route r: /,
    )
  })

  it('is not blamed for what was there before', () => {
    const strange = { ...specOf('backend', backend), kind: 'abacus' }
    const resource = { ...now.backends.get('b'), spec: strange } as never
    const broken = { ...now, backends: new Map([['b', resource]]) }
    expect(check(broken, created('route', 'r', specOf('route', route('b'))))).toBe('taken')
  })

  it('is refused where it is more than the bus carries in one message', () => {
    const many = (sealed: () => string) =>
      Array.from({ length: 1_000 }, (_, nth) => {
        const credential = { sealed: sealed(), fingerprint: 'f' }
        return created('backend', `b${nth}`, specOf('backend', { ...backend, credential }))
      })
    expect(check(now, ...many(() => 'A'.repeat(1_000)))).toBe('taken')
    const random = () => randomBytes(750).toString('base64')
    expect(check(now, ...many(random))).toMatch(
      /^admin_body_too_large: the change has \d+ bytes when compressed, over 524288/,
    )
  })
})
