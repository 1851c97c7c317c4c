import { compile, match } from './compile.ts'
import { snapshotOf, withSpec } from './table-harness.ts'

const NOTHING: ReadonlyMap<string, readonly string[]> = new Map()
const parts = {
  backends: { b1: { models: ['m'] } },
  policies: { fast: { strategy: 'LeastLatency' } },
}

describe('settings', () => {
  it('name the policy of models that no route names, and the largest body', () => {
    const routes = { r: { tiers: [{ targets: [{ backend: 'b1', model: 'm' }] }] } }
    const settings = { default: { implicitPolicy: 'fast', bodyBytesMax: 2_048 } }
    const { table, problems } = compile(snapshotOf({ ...parts, routes, settings }), NOTHING)
    expect(problems).toEqual([])
    expect(match(table, 'm')).toMatchObject({ policyId: 'fast', implicit: true })
    expect(match(table, 'r')).toMatchObject({ policyId: 'default', implicit: false })
    expect(table.bodyBytesMax).toBe(2_048)
  })

  it('that are missing, or older than a member, are standard', () => {
    const older = withSpec(snapshotOf({ ...parts, settings: { default: {} } }), {
      ...{ resource: 'settings', id: 'default', change: { implicitPolicy: 'default' } },
    })
    for (const snapshot of [snapshotOf(parts), older]) {
      const { table, problems } = compile(snapshot, NOTHING)
      expect(problems).toEqual([])
      expect([match(table, 'm')?.policyId, table.bodyBytesMax]).toEqual(['default', null])
    }
  })

  it('that name a policy which there is not are named, and the standard one holds', () => {
    const settings = { default: { implicitPolicy: 'gone' } }
    const { table, problems } = compile(snapshotOf({ ...parts, settings }), NOTHING)
    expect(problems).toMatchObject([{ resource: 'settings', code: 'dangling_reference' }])
    expect(match(table, 'm')?.policyId).toBe('default')
  })
})

describe('a backend that refers to a secret', () => {
  const secrets = { s: { sealed: 'AAAA', fingerprint: 'f' } }
  const backends = { b1: { credential: { secret: 's' } } }

  it('has its sealed text, and that of now once the secret changes', () => {
    const first = compile(snapshotOf({ backends, secrets }), NOTHING).table
    expect(first.backends[0]?.credential).toMatchObject({ sealed: 'AAAA', place: 'secret/s' })
    const changed = withSpec(snapshotOf({ backends, secrets }), {
      ...{ resource: 'secret', id: 's', change: { sealed: 'BBBB' } },
    })
    const { table } = compile(changed, NOTHING, first)
    expect(table.backends[0]?.credential).toMatchObject({ sealed: 'BBBB', revision: 2 })
  })

  it('that is missing keeps its last good version, and is named', () => {
    const first = compile(snapshotOf({ backends, secrets }), NOTHING).table
    const { table, problems } = compile(snapshotOf({ backends }), NOTHING, first)
    expect(problems).toMatchObject([{ id: 'b1', code: 'dangling_reference' }])
    expect(table.backends[0]?.credential).toMatchObject({ sealed: 'AAAA' })
    expect(compile(snapshotOf({ backends }), NOTHING).table.backends).toEqual([])
  })
})
