import fc from 'fast-check'
import { jsonPatch, type PatchOperation } from './json-patch.ts'

/** RFC 6902 for what jsonPatch() makes: objects on the way, add, replace and remove at its end. */
function applied(document: unknown, operations: readonly PatchOperation[]): unknown {
  let root = structuredClone(document)
  for (const operation of operations) {
    if (operation.path === '') {
      root = 'value' in operation ? operation.value : undefined
      continue
    }
    const keys = operation.path.slice(1).split('/')
    const names = keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = names.pop() ?? ''
    const parent = names.reduce<unknown>(
      (at, name) => new Map(Object.entries(at as object)).get(name),
      root,
    )
    if (operation.op === 'remove') delete (parent as Record<string, unknown>)[last]
    else
      Object.defineProperty(parent, last, {
        value: operation.value,
        enumerable: true,
        writable: true,
        configurable: true,
      })
  }
  return root
}

describe('a JSON patch', () => {
  it('names what changed, and nothing else', () => {
    const before = { url: 'a', labels: { zone: 'x', 'a/b~c': '1' }, models: ['m1'], weight: 1 }
    const after = { url: 'b', labels: { zone: 'x' }, models: ['m1', 'm2'], timeouts: {}, weight: 1 }
    expect(jsonPatch(before, after)).toEqual([
      { op: 'remove', path: '/labels/a~1b~0c' },
      { op: 'replace', path: '/models', value: ['m1', 'm2'] },
      { op: 'add', path: '/timeouts', value: {} },
      { op: 'replace', path: '/url', value: 'b' },
    ])
  })

  it('is empty where nothing changed, whatever the order of the members', () => {
    expect(jsonPatch({ a: [{ x: 1, y: 2 }], b: null }, { b: null, a: [{ y: 2, x: 1 }] })).toEqual(
      [],
    )
  })

  it('replaces the whole where one side is no object', () => {
    expect(jsonPatch(null, { a: 1 })).toEqual([{ op: 'replace', path: '', value: { a: 1 } }])
  })

  it('leads from any value to any other', () => {
    const json = fc.jsonValue({ maxDepth: 4 })
    fc.assert(
      fc.property(json, json, (before, after) => {
        expect(applied(before, jsonPatch(before, after))).toEqual(structuredClone(after))
      }),
    )
  })
})
