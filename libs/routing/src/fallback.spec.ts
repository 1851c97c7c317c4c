import { type Failure } from '@signalbox/model'
import { compile } from './compile.ts'
import { fallbackChain, fallsBack } from './fallback.ts'
import { snapshotOf, withSpec } from './table-harness.ts'

const route = (...fallbacks: string[]) => ({ tiers: [{ targets: [{ backend: 'b' }] }], fallbacks })
const given = {
  backends: { b: {} },
  routes: { a: route('b', 'c'), b: route('d'), c: route(), d: route() },
}

function chainOf(name: string, snapshot = snapshotOf(given)) {
  const { table, problems } = compile(snapshot, new Map())
  const from = table.routes.get(name)
  if (!from) throw new Error(`no route ${name}`)
  return { ids: fallbackChain(table, from).map(({ id }) => id), problems }
}

describe('the chain of a route', () => {
  it('goes down each fallback before the next', () => {
    expect(chainOf('a')).toEqual({ ids: ['a', 'b', 'd', 'c'], problems: [] })
    expect(chainOf('d').ids).toEqual(['d'])
  })

  it('ends in a circle that another version let through', () => {
    const change = { fallbacks: ['a'] }
    const circle = withSpec(snapshotOf(given), { resource: 'route', id: 'd', change })
    expect(chainOf('a', circle).ids).toEqual(['a', 'b', 'd', 'c'])
  })

  it('is none for a route that knows nothing of fallbacks', () => {
    const change = { fallbacks: undefined }
    const old = withSpec(snapshotOf(given), { resource: 'route', id: 'a', change })
    expect(chainOf('a', old).ids).toEqual(['a'])
  })

  it('makes a problem of one that does not exist', () => {
    const change = { fallbacks: ['nope'] }
    const wrong = withSpec(snapshotOf(given), { resource: 'route', id: 'a', change })
    const { problems } = compile(wrong, new Map())
    expect(problems).toMatchObject([{ code: 'dangling_reference', id: 'a' }])
  })
})

it.each<[Partial<Failure>, boolean]>([
  [{ code: 'no_backend', source: 'internal' }, true],
  [{ code: 'backend_full', source: 'internal' }, true],
  [{ code: 'upstream_connect_failed', source: 'upstream', nothingSent: true }, true],
  [{ code: 'upstream_timeout', source: 'upstream', nothingSent: false }, false],
  [{ code: 'request_timeout', source: 'downstream', nothingSent: true }, false],
])('%j goes on with a fallback: %s', (failure, goesOn) => {
  expect(fallsBack({ message: '', nothingSent: true, ...failure } as Failure)).toBe(goesOn)
})
