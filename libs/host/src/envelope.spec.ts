import fc from 'fast-check'
import { openSealed, rewrap, sealEnvelope } from './envelope.ts'
import { kmsOf, wrappingKeyOf } from './kms.ts'
import { keyIdOf } from './seal.ts'

const key = new Uint8Array(32).map((_, i) => i)
const other = new Uint8Array(32).map((_, i) => i + 1)
const [OLD, NEW] = [{ masterKey: key }, { masterKey: other }]
const BOTH = { masterKey: other, previousMasterKeys: [key] }
const CONTEXT = 'default/secret/golden'

/** What every release since has to open: never made anew. */
const GOLDEN = {
  nameless: 'AQcHBwcHBwcHBwcHB3qNUls7+gDEUSvCrV4d+r1z5k4BiVy8pHE=',
  underMasterKey: 'Apn7yL2ErbnVHCEBXOp+/6ymUFdap+FQ5cqp6t0OJl8idVSqHiA9hzjv',
  envelope:
    'dk1:bWbhV2SxuIcHsiodVuKs2w:' +
    'ntavyf7itFkJGWQgnpXy2xD/9lcMJHhLcJojiBkt4HOEGJ/qOw==' +
    ':99fbc8bd.' +
    'L4nR2lA4jPvWhRCW6MGg0iPuk/7uuAqDOzRjL5nefdDlB2Ce0ceOt18NTtUWpFJ3nAeHVl5/UMKdq5PV',
}

function joined({ sealed, dataKey }: ReturnType<typeof sealEnvelope>): string {
  return `${sealed}:${dataKey.wrapped}`
}

describe('sealed text', () => {
  it.each(Object.entries(GOLDEN))('of the form %s opens for ever', (_, sealed) => {
    expect(openSealed(sealed, BOTH, CONTEXT)).toMatchObject({ ok: true, text: 'sk-golden' })
    expect(openSealed(sealed, NEW, CONTEXT).ok).toBe(false)
    expect(openSealed(sealed, BOTH, 'default/secret/elsewhere').ok).toBe(false)
  })
})

describe('an envelope', () => {
  it('opens with its data key in its place, whatever the text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const sealed = joined(sealEnvelope(text, kmsOf(OLD), CONTEXT))
        expect(openSealed(sealed, OLD, CONTEXT)).toEqual({ ok: true, text, keyId: keyIdOf(key) })
      }),
    )
  })

  it('is noise without its data key, or with that of another one', () => {
    const [one, two] = [1, 2].map(() => sealEnvelope('sk-secret', kmsOf(OLD), CONTEXT))
    if (!one || !two) throw new Error('two are made')
    expect(one.dataKey.id).not.toBe(two.dataKey.id)
    expect(openSealed(one.sealed, OLD, CONTEXT)).toEqual({
      ...{
        ok: false,
        keyId: null,
        problem: 'has no data key any more: it was deleted or replaced',
      },
    })
    expect(openSealed(`${one.sealed}:${two.dataKey.wrapped}`, OLD, CONTEXT).ok).toBe(false)
    const [form, , text] = one.sealed.split(':')
    const renamed = `${form}:${two.dataKey.id}:${text}:${two.dataKey.wrapped}`
    expect(openSealed(renamed, OLD, CONTEXT).ok).toBe(false)
  })

  it('does not open with any one character changed, or missing', () => {
    const sealed = joined(sealEnvelope('sk-secret', kmsOf(OLD), CONTEXT))
    for (let at = 0; at < sealed.length; at++) {
      const letter = sealed[at] === 'A' ? 'B' : 'A'
      const changed = `${sealed.slice(0, at)}${letter}${sealed.slice(at + 1)}`
      const shorter = sealed.slice(0, at) + sealed.slice(at + 1)
      const isPadding = sealed[at] === '=' || sealed[at + 1] === '=' || sealed[at + 2] === '='
      if (!isPadding) expect(openSealed(changed, OLD, CONTEXT)).toMatchObject({ ok: false })
      if (!isPadding) expect(openSealed(shorter, OLD, CONTEXT)).toMatchObject({ ok: false })
    }
  })

  it('says which master key is missing, and which are here', () => {
    const sealed = joined(sealEnvelope('sk-secret', kmsOf(OLD), CONTEXT))
    const problem = `is sealed under master key ${keyIdOf(key)}; here is ${keyIdOf(other)}`
    expect(openSealed(sealed, NEW, CONTEXT)).toEqual({ ok: false, keyId: keyIdOf(key), problem })
  })
})

describe('a rewrap', () => {
  it('wraps the data key under the key of now, and leaves the text as it is', () => {
    const { sealed, dataKey } = sealEnvelope('sk-secret', kmsOf(OLD), CONTEXT)
    const again = rewrap(dataKey, kmsOf(BOTH), CONTEXT)
    if (!again.ok) throw new Error(again.problem)
    expect(wrappingKeyOf(again.wrapped)).toBe(keyIdOf(other))
    const opened = openSealed(`${sealed}:${again.wrapped}`, NEW, CONTEXT)
    expect(opened).toEqual({ ok: true, text: 'sk-secret', keyId: keyIdOf(other) })
  })

  it('is refused without the former key, in another place, and of what is none', () => {
    const { dataKey } = sealEnvelope('sk-secret', kmsOf(OLD), CONTEXT)
    expect(rewrap(dataKey, kmsOf(NEW), CONTEXT).ok).toBe(false)
    expect(rewrap(dataKey, kmsOf(BOTH), 'default/secret/elsewhere').ok).toBe(false)
    for (const wrapped of ['', 'x', `${keyIdOf(key)}.`, `${keyIdOf(key)}.AAAA`]) {
      expect(rewrap({ ...dataKey, wrapped }, kmsOf(BOTH), CONTEXT).ok).toBe(false)
    }
  })
})
