import fc from 'fast-check'
import { collect } from './documents.ts'
import { readSource } from './source-file.ts'
import { substitute } from './variables.ts'

const only = (text: string, format: 'yaml' | 'json' | 'toml') => {
  const { documents, problems } = readSource('f', text, format)
  expect(problems).toEqual([])
  const [first] = documents
  if (!first) throw new Error('no document')
  return first
}

describe('places', () => {
  it('of YAML are those of keys and items; of what is not there, of the part above', () => {
    const { locate } = only('a:\n  - b: 1\n    "c.d": {e: 2}\n', 'yaml')
    expect(locate(['a'])).toEqual({ file: 'f', line: 1, column: 1 })
    expect(locate(['a', '0', 'c.d', 'e'])).toEqual({ file: 'f', line: 3, column: 13 })
    expect(locate(['a', '0', 'none', 'e'])).toEqual({ file: 'f', line: 2, column: 5 })
    expect(locate(['a', '7'])).toEqual({ file: 'f', line: 1, column: 1 })
  })

  it('of JSON are found with tabs, too', () => {
    const { locate, value } = only('{\n\t"a": [\n\t\t{"b": null}\n\t]\n}', 'json')
    expect(value).toEqual({ a: [{ b: null }] })
    expect(locate(['a', '0', 'b'])).toEqual({ file: 'f', line: 3, column: 4 })
  })

  it('of TOML are those of tables and keys', () => {
    const text = [
      '[backends."b.1"]',
      'url = "x"',
      'text = """',
      'url2 = 1',
      '"""',
      'limits.rpm = 3 # more',
      '[[tiers]]',
      'a = 1',
      '[[tiers]]',
      '  a = {b = 2}',
    ].join('\n')
    const { locate } = only(text, 'toml')
    expect(locate(['backends', 'b.1', 'url'])).toMatchObject({ line: 2, column: 1 })
    expect(locate(['backends', 'b.1', 'limits', 'rpm'])).toMatchObject({ line: 6 })
    expect(locate(['backends', 'b.1', 'url2'])).toMatchObject({ line: 1 })
    expect(locate(['tiers', '1', 'a', 'b'])).toMatchObject({ line: 10, column: 3 })
  })
})

describe('a text of any kind', () => {
  it('is read or has a problem with a place; nothing is thrown', () => {
    const formats = fc.constantFrom('yaml', 'json', 'toml' as const)
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.string({ unit: fc.constantFrom(...'{}[]:-"\n a&*') }),
    )
    fc.assert(
      fc.property(text, formats, (source, format) => {
        const { documents, problems } = readSource('f', source, format as 'yaml')
        for (const { line, column } of problems) {
          expect(line).toBeGreaterThan(0)
          expect(column).toBeGreaterThan(0)
        }
        if (format !== 'json') return
        const isJson = isParsable(source)
        expect([
          documents.length,
          problems.some((one) => /not valid JSON/.test(one.message)),
        ]).toEqual(isJson ? [1, false] : [0, true])
      }),
      { seed: 7, numRuns: 2_000 },
    )
  })

  it('cannot grow by aliases', () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`,
    )
    const { problems } = readSource('f', `a0: &a0 [x]\n${levels.join('\n')}\n`, 'yaml')
    expect(problems).toEqual([
      { file: 'f', line: 1, column: 1, path: '', message: expect.any(String) },
    ])
  })
})

function isParsable(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('what YAML would pass over', () => {
  const problemsOf = (text: string) => readSource('f', text, 'yaml').problems

  it.each([
    ['a: 1\nb: *none\n', 2, 4, /alias/],
    ['a: 1\nb: !secret x\n', 2, 4, /tag/],
    ['a: {[x]: 1}\n', 1, 5, /expected a name/],
    ['a: 1\na: 2\n', 2, 1, /stands twice; the other is at f:1:1/],
  ])('%j is a problem with its place', (text, line, column, message) => {
    expect(problemsOf(text)).toEqual([
      {
        file: 'f',
        line,
        column,
        path: expect.any(String),
        message: expect.stringMatching(message),
      },
    ])
  })

  it('is nothing where a byte order mark, an anchor or another line end stands', () => {
    expect(problemsOf('\uFEFFa: &x [1]\r\nb: *x\r\n')).toEqual([])
    expect(readSource('f', '\uFEFF{"a": 1}', 'json').problems).toEqual([])
  })
})

describe('variables', () => {
  const env = { A: 'one', EMPTY: '' }
  const valueOf = (text: string) => substitute({ at: [text] }, env)

  it.each([
    ['${A}', 'one'],
    ['<${A}-${A}>', '<one-one>'],
    ['${EMPTY}', ''],
    ['${EMPTY:-other}', 'other'],
    ['${NONE:-}', ''],
    ['${NONE:-a:-b}', 'a:-b'],
    ['$${A} $A {A}', '${A} $A {A}'],
  ])('%s is %s', (text, expected) => {
    expect(valueOf(text)).toEqual({ value: { at: [expected] }, problems: [] })
  })

  it.each(['${NONE}', '${1A}', '${A', '${}', '${A:+x}'])(
    '%s is a problem with its path',
    (text) => {
      const { problems } = valueOf(text)
      expect(problems).toEqual([{ path: ['at', '0'], message: expect.any(String) }])
    },
  )

  it('stay as they are in keys, and values are not looked at again', () => {
    const again = substitute({ '${A}': '${B}' }, { B: '${A}' })
    expect(again).toEqual({ value: { '${A}': '${A}' }, problems: [] })
  })
})

describe('documents', () => {
  it('keep ids that are names of an object, too', () => {
    const text = 'backends: {constructor: {url: x}, toString: {url: y}}'
    const { config, problems, locate } = collect([{ file: 'f', text, format: 'yaml' }], {})
    expect(problems).toEqual([])
    expect(Object.keys(config['backends'] ?? {})).toEqual(['constructor', 'toString'])
    expect(locate('backends.toString.url')).toEqual({ file: 'f', line: 1, column: 46 })
    expect(locate('backends.none')).toBeUndefined()
    expect(locate('')).toBeUndefined()
  })

  it('take the longest id that fits a path', () => {
    const text = 'routes:\n  a: {tiers: []}\n  a.tiers: {x: 1}\n'
    const { locate } = collect([{ file: 'f', text, format: 'yaml' }], {})
    expect(locate('routes.a.tiers.x')).toMatchObject({ line: 3, column: 13 })
    expect(locate('routes.a.other')).toMatchObject({ line: 2, column: 3 })
  })
})
