import { compile } from './compile.ts'
import { explain } from './explain.ts'
import { hashText } from './hash.ts'
import { liveOf, snapshotOf } from './table-harness.ts'

const hash = 'a'.repeat(64)
const tiers = (...ids: string[]) => [{ targets: ids.map((backend) => ({ backend })) }]
const given = {
  backends: { own: {}, b1: {}, b2: {}, b3: {} },
  policies: { sticky: { strategy: 'ConsistentHash' } },
  routes: {
    first: { tiers: tiers('own'), fallbacks: ['second'] },
    second: { tiers: tiers('b1', 'b2', 'b3'), policy: 'sticky', aliases: ['other'] },
  },
  keys: { k: { hash, routes: ['other'], expiresAt: '2030-01-01T00:00:00Z' } },
}
const ENDS_S = Date.parse('2030-01-01T00:00:00Z') / 1_000

interface Asking {
  readonly key?: string | null
  readonly nowS?: number
  readonly session?: string
}

function explained(model: string, { key, nowS = 0, session }: Asking) {
  const snapshot = snapshotOf(given)
  const { table } = compile(snapshot, new Map())
  const live = liveOf(table).map((one) => ({ ...one, eligible: one.id !== 'own' }))
  const none = () => undefined
  const header = () => (session === undefined ? undefined : hashText(session))
  return explain(model, {
    ...{ snapshot, table, discovered: new Map() },
    context: { live, nowMs: 0, random: () => 0, tried: [] },
    who: key === undefined ? undefined : { key, nowS },
    hashable: { header, key: none, user: none, prefix: none },
  })
}

it('a key that may not use the route is refused, and the route is named', () => {
  expect(explained('second', { key: 'k' })).toMatchObject({
    outcome: 'key_not_allowed',
    route: { id: 'second', found: 'route', policy: 'sticky' },
    candidates: [],
  })
  expect(explained('other', { key: 'k' })).toMatchObject({
    outcome: 'picked',
    route: { id: 'second', found: 'alias' },
  })
})

it('a key is good until it ends, and not then', () => {
  expect(explained('other', { key: 'k', nowS: ENDS_S - 1 }).outcome).toBe('picked')
  expect(explained('other', { key: 'k', nowS: ENDS_S })).toMatchObject({
    outcome: 'invalid_key',
    route: null,
  })
})

it('a fallback hashes by its own policy, as if it had been asked for', () => {
  const sessions = Array.from({ length: 12 }, (_, n) => `s${n}`)
  const picks = sessions.map((session) => {
    const fallen = explained('first', { session })
    expect(fallen.fallback).toBe('second')
    expect(fallen.picked?.backend).toBe(explained('second', { session }).picked?.backend)
    return fallen.picked?.backend
  })
  expect(new Set(picks).size).toBe(3)
})
