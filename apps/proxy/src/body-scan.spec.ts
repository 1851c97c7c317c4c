import fc from 'fast-check'
import { type BodyScan, DEPTH_MAX, MODEL_BYTES_MAX, scanBody } from './body-scan.ts'

const scan = (text: string) => scanBody(Buffer.from(text))

function accepted(result: BodyScan) {
  if (!result.ok) throw new Error(`refused: ${result.message}`)
  return result
}

const codeOf = (text: string | Buffer) => {
  const result = scanBody(Buffer.from(text as string))
  return result.ok ? 'ok' : result.code
}

describe('scanBody finds', () => {
  it('the model with the byte range of its token, and whether a stream is asked for', () => {
    const text = '{"messages":[{"content":"é"}],"model": "gpt-4o" ,"stream":true}'
    const body = Buffer.from(text)
    const { model, stream } = accepted(scanBody(body))
    expect(stream).toBe(true)
    expect(model?.value).toBe('gpt-4o')
    expect(body.subarray(model?.start, model?.end).toString()).toBe('"gpt-4o"')
  })

  it('keys and values that are written with escapes', () => {
    const { model, stream } = accepted(scan('{"mod\\u0065l":"a\\u002fb","\\u0073tream":true}'))
    expect(model?.value).toBe('a/b')
    expect(stream).toBe(true)
  })

  it('keys of which each character is escaped', () => {
    const key = [...'stream'].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('')
    expect(accepted(scan(`{"${key}":true}`)).stream).toBe(true)
  })

  it('a model beyond ASCII, and one at the far end of a long body', () => {
    expect(accepted(scan('{"model":"模型"}')).model?.value).toBe('模型')
    const long = `{"prompt":"${'x'.repeat(100_000)}\\"${'y'.repeat(100)}","model":"m"}`
    expect(accepted(scan(long)).model?.value).toBe('m')
  })
})

describe('scanBody stays quiet about', () => {
  it.each([
    ['no model', '{}'],
    ['a model that is no string', '{"model":5}'],
    ['members of inner objects', '{"a":{"model":"x","stream":true},"b":[{"model":"y"}]}'],
    ['text that looks like a member', '{"a":"\\"model\\":\\"x\\"","b":"\\\\"}'],
    ['another spelling of the key alone', '{"Model":"x","STREAM":true}'],
    ['longer and shorter keys', '{"models":"x","mode":"y","stream_optionss":{},"streams":true}'],
  ])('%s', (_, text) => {
    expect(accepted(scan(text))).toEqual({ ok: true, model: undefined, stream: false })
  })

  it.each(['false', 'null', '"true"', '1', '{}'])('a stream of %s', (value) => {
    expect(accepted(scan(`{"stream":${value}}`)).stream).toBe(false)
  })

  it('what stands twice without being looked for', () => {
    expect(codeOf('{"temperature":1,"temperature":2}')).toBe('ok')
  })

  it('nesting up to its limit', () => {
    const inner = DEPTH_MAX - 1
    expect(codeOf(`{"a":${'['.repeat(inner)}${']'.repeat(inner)}}`)).toBe('ok')
  })
})

describe('scanBody refuses as duplicates', () => {
  it.each([
    ['a model that stands twice', '{"model":"a","x":1,"model":"a"}'],
    ['a stream that stands twice', '{"stream":true,"stream":false}'],
    ['a second one in escapes', '{"model":"a","\\u006dodel":"b"}'],
    ['one of another type', '{"model":"a","model":null}'],
    ['one that Go takes for the same', '{"model":"a","MODEL":"b"}'],
    ['one that Go takes for the same, in escapes', '{"mo\\u0044el":"b","model":"a"}'],
    ['one that Go takes for the same, beyond ASCII', '{"stream":false,"ſtream":true}'],
  ])('%s', (_, text) => {
    expect(codeOf(text)).toBe('duplicate_field')
  })
})

describe('scanBody refuses as malformed', () => {
  it.each([
    '',
    ' ',
    '[]',
    '"model"',
    'null',
    '{',
    '{"model"',
    '{"model":',
    '{"model":"a',
    '{"model":"a"',
    '{"model":"a\\"}',
    '{"model":"a"}}',
    '{"model":"a"} x',
    '{"model":"a"}\u0000',
    '{"model":"a",}',
    '{,"model":"a"}',
    '{"model" "a"}',
    "{'model':'a'}",
    '{model:"a"}',
    '{"model":"\\x"}',
    '{"model":"a\nb"}',
    '{"mod\\el":"a"}',
    '{"a":[1,]}',
    '{"a":[1 2]}',
    '{"a":[}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":1e}',
    '{"a":+1}',
    '{"a":-}',
    '{"a":NaN}',
    '{"a":tru}',
    '{"a":truex}',
    '{"a":undefined}',
    '{"a":1//c\n}',
    '\ufeff{"model":"a"}',
    '\u00a0{"model":"a"}',
  ])('%j', (text) => {
    expect(codeOf(text)).toBe('malformed_request')
  })

  it.each([
    ['in a string', [0x22, 0xff, 0x22]],
    ['as an overlong letter in a key', [0x22, 0xc1, 0xad, 0x22]],
  ])('bytes that are not UTF-8, %s', (_, bytes) => {
    const body = Buffer.concat([Buffer.from('{'), Buffer.from(bytes), Buffer.from(':1}')])
    expect(scanBody(body)).toMatchObject({ ok: false, code: 'malformed_request' })
  })

  it('nesting beyond its limit, and is not brought down by more', () => {
    expect(codeOf(`{"a":${'['.repeat(DEPTH_MAX)}${']'.repeat(DEPTH_MAX)}}`)).toBe(
      'malformed_request',
    )
    expect(codeOf('{"a":'.repeat(100_000))).toBe('malformed_request')
  })

  it('a model name that is longer than any route', () => {
    expect(codeOf(`{"model":"${'m'.repeat(MODEL_BYTES_MAX)}"}`)).toBe('malformed_request')
  })

  it('without repeating what the body says', () => {
    const result = scan('{"secret-canary":"secret-canary"')
    expect(JSON.stringify(result)).not.toContain('canary')
  })
})

/** Keys that fold to the names, so that collisions happen often. */
const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('model', 'stream', 'Model', 'mode', 'models', '') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
)
const looked = fc.oneof(fc.string({ unit: 'binary' }), fc.boolean(), fc.jsonValue())
const object = fc.array(fc.tuple(key, looked), { maxLength: 8 }).map((members) => {
  const text = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return { text: `{${text.join(',')}}`, names: members.map(([name]) => name) }
})

function isUnambiguous(names: readonly string[]): boolean {
  return ['MODEL', 'STREAM'].every((wanted) => {
    const same = names.filter((name) => name.toUpperCase() === wanted)
    return same.length < 2 || !same.includes(wanted.toLowerCase())
  })
}

/** What JSON.parse would be handed if nobody cared for control characters and odd escapes. */
function withPlainStrings(text: string): string {
  return text.replace(/"((?:[^"\\]|\\[^])*)"/g, (_, inner: string) => {
    const clean = inner
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u001f]/g, '?')
      .replace(/\\(?:u[0-9a-fA-F]{4}|[^])/g, (escape) =>
        /^\\(?:u....|["\\/bfnrt])$/.test(escape) ? escape : '?',
      )
    return `"${clean}"`
  })
}

function agrees(text: string, parsed: unknown): void {
  const { model, stream } = accepted(scan(text))
  const object = parsed as Record<string, unknown>
  const own = (name: string) => (Object.hasOwn(object, name) ? object[name] : undefined)
  expect(model?.value).toBe(typeof own('model') === 'string' ? own('model') : undefined)
  expect(stream).toBe(own('stream') === true)
}

describe('scanBody, beside JSON.parse,', () => {
  it('accepts every object whose fields stand once, and says the same of it', () => {
    fc.assert(
      fc.property(object, fc.integer({ min: 0, max: 3 }), ({ text, names }, indent) => {
        if (!isUnambiguous(names)) return expect(codeOf(text)).toBe('duplicate_field')
        const spaced = Buffer.from(text)
          .toString()
          .replace(/^\{/, `{${' \n\t\r'.repeat(indent)}`)
        agrees(spaced, JSON.parse(spaced))
      }),
      { numRuns: 2_000 },
    )
  })

  it('accepts no mutation that is not JSON, but for what strings hold, and says the same', () => {
    const mutation = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 3 }),
      insert: fc.constantFrom(
        '',
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '0',
        'e',
        '-',
        ' ',
        '\n',
        'true',
      ),
    })
    let kept = 0
    fc.assert(
      fc.property(
        object,
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        ({ text }, changes) => {
          let mutated = text
          for (const { at, remove, insert } of changes) {
            const from = at % (mutated.length + 1)
            mutated = mutated.slice(0, from) + insert + mutated.slice(from + remove)
          }
          mutated = mutated.toWellFormed()
          if (!scan(mutated).ok) return
          kept += 1
          agrees(mutated, JSON.parse(withPlainStrings(mutated)))
        },
      ),
      { numRuns: 5_000 },
    )
    expect(kept).toBeGreaterThan(0)
  })

  it('accepts every mutation that JSON.parse takes for an object without doubles', () => {
    const noise = fc.string({
      unit: fc.constantFrom(...'{}[]:,"\\ue1.-+ tfn', 'true', 'null', '"a":'),
    })
    fc.assert(
      fc.property(noise, (inner) => {
        const text = `{"a":${inner}}`
        if (parses(text)) expect(codeOf(text)).toBe('ok')
        else expect(codeOf(text) === 'ok' && !parses(withPlainStrings(text))).toBe(false)
      }),
      { numRuns: 20_000 },
    )
  })
})

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
