import { policySpec } from '@signalbox/model'
import { affinityOf } from './affinity.ts'

const all = {
  header: (name: string) => (name === 'x-session-id' ? 1 : name === 'x-a' ? 2 : undefined),
  user: () => 3,
  key: () => 4,
  prefix: () => 5,
}
const none = () => undefined
const of = (spec: object, has: Partial<typeof all> | object = all) =>
  affinityOf(policySpec.parse(spec), { ...all, ...has })
const hash = (hashOn?: object) => ({ strategy: 'ConsistentHash', ...(hashOn ? { hashOn } : {}) })

it.each([
  [{ strategy: 'RoundRobin' }, undefined],
  [{ strategy: 'PrefixAware' }, 5],
  [hash(), 1],
  [hash({ header: 'X-A' }), 2],
  [hash({ header: 'x-none' }), undefined],
  [hash({ user: true }), 3],
  [hash({ key: true }), 4],
  [hash({ prefix: true }), 5],
])('%j places by %j', (spec, placed) => {
  expect(of(spec)).toBe(placed)
})

it('without a session by the user, and without that by the key', () => {
  expect(of(hash(), { header: none })).toBe(3)
  expect(of(hash(), { header: none, user: none })).toBe(4)
  expect(of(hash(), { header: none, user: none, key: none })).toBeUndefined()
})
