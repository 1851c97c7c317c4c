import { compile, match } from './compile.ts'
import { findKey, mayUse } from './keys.ts'
import { snapshotOf } from './table-harness.ts'

const H1 = '1'.repeat(64)
const H2 = '2'.repeat(64)
const NOON_S = 1_798_718_400
const noon = '2026-12-31T12:00:00Z'

const tableOf = (keys: Record<string, object>) =>
  compile(
    snapshotOf({
      backends: { b: { models: ['free'] } },
      routes: { m: { aliases: ['gpt'], tiers: [{ targets: [{ backend: 'b' }] }] } },
      keys,
    }),
    new Map(),
  ).table

describe('a key', () => {
  it('is found by its hash while it is enabled and not over', () => {
    const { keys } = tableOf({
      k: { hash: H1, expiresAt: noon },
      off: { hash: H2, enabled: false },
    })
    expect(findKey(keys, H1, NOON_S - 1)?.id).toBe('k')
    expect(findKey(keys, H1, NOON_S)).toBeUndefined()
    expect(findKey(keys, H2, 0)).toBeUndefined()
    expect(findKey(keys, '3'.repeat(64), 0)).toBeUndefined()
  })

  it('is found by its former hash until that is over, and never longer than itself', () => {
    const previous = { hash: H2, until: noon }
    const { keys } = tableOf({ k: { hash: H1, previous } })
    expect(findKey(keys, H1, NOON_S + 1)?.id).toBe('k')
    expect(findKey(keys, H2, NOON_S - 1)?.id).toBe('k')
    expect(findKey(keys, H2, NOON_S)).toBeUndefined()
    const ended = tableOf({ k: { hash: H1, previous, expiresAt: '2026-01-01T00:00:00Z' } })
    expect(findKey(ended.keys, H2, NOON_S - 1)).toBeUndefined()
  })

  it('may use the routes that it names, by any of their names', () => {
    const table = tableOf({
      all: { hash: H1 },
      some: { hash: H2, routes: ['m'] },
    })
    const [all, some] = [findKey(table.keys, H1, 0), findKey(table.keys, H2, 0)]
    const may = (key: typeof all, name: string) => {
      const route = match(table, name)
      return key && route && mayUse(key, route, name)
    }
    expect([may(all, 'm'), may(all, 'free')]).toEqual([true, true])
    expect([may(some, 'm'), may(some, 'gpt'), may(some, 'free')]).toEqual([true, true, false])
  })

  it('blocks who has none only where the settings say so', () => {
    expect(tableOf({}).blocking).toBe(false)
    const settings = { default: { clientAuth: 'blocking' } }
    expect(compile(snapshotOf({ settings }), new Map()).table.blocking).toBe(true)
  })
})
