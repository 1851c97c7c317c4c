import { type Env, nonEmpty, readVariable, requireVariable, wholeNumber } from './env.ts'

const COUNT = { name: 'SIGNALBOX_COUNT', shape: '1 to 9', parse: wholeNumber({ min: 1, max: 9 }) }
const PASSWORD = { name: 'SIGNALBOX_WORD', shape: '1 to 9', parse: COUNT.parse, secret: true }
const count = (text: string) => readVariable({ SIGNALBOX_COUNT: text }, COUNT)

describe('readVariable', () => {
  it('answers the parsed value, without the space around it', () => {
    expect(count('7')).toBe(7)
    expect(count(' 7\n')).toBe(7)
  })

  it('stays quiet about a variable that is unset', () => {
    expect(readVariable({}, COUNT)).toBeUndefined()
    expect(readVariable({ SIGNALBOX_COUNT: undefined }, COUNT)).toBeUndefined()
  })

  it('refuses in one line that names the variable, the value and the right shape', () => {
    const refusal = { name: 'ConfigError', message: 'SIGNALBOX_COUNT is "ten"; expected 1 to 9' }
    expect(() => count('ten')).toThrow(expect.objectContaining(refusal))
  })

  it('keeps to one line whatever the value is', () => {
    expect(() => count('1\n2\r3')).toThrow(/^SIGNALBOX_COUNT is "1\\n2\\r3"; expected 1 to 9$/)
  })

  it('takes an empty value for a wrong one, not for an unset one', () => {
    expect(() => count('')).toThrow('SIGNALBOX_COUNT is ""; expected 1 to 9')
    expect(() => count('  ')).toThrow('SIGNALBOX_COUNT is "  "; expected 1 to 9')
  })

  it('never shows the value of a secret', () => {
    const env: Env = { SIGNALBOX_WORD: 'hunter2' }
    const line = 'SIGNALBOX_WORD is a value of the wrong shape; expected 1 to 9'
    expect(() => readVariable(env, PASSWORD)).toThrow(expect.objectContaining({ message: line }))
  })
})

describe('requireVariable', () => {
  it('answers the value', () => {
    expect(requireVariable({ SIGNALBOX_COUNT: '1' }, COUNT)).toBe(1)
  })

  it('refuses a variable that is unset, and says what it should be', () => {
    const refusal = { name: 'ConfigError', message: 'SIGNALBOX_COUNT is not set; expected 1 to 9' }
    expect(() => requireVariable({}, COUNT)).toThrow(expect.objectContaining(refusal))
  })

  it('refuses a wrong one as readVariable does', () => {
    expect(() => requireVariable({ SIGNALBOX_COUNT: '0' }, COUNT)).toThrow('is "0"; expected')
  })
})

describe('wholeNumber', () => {
  const parse = wholeNumber({ min: 0, max: 1_000 })

  it('takes both of its bounds', () => {
    expect([parse('0'), parse('1000'), parse('0042')]).toEqual([0, 1_000, 42])
  })

  it.each(['', '-1', '1001', '1.5', '1e2', '0x10', '1 0', '٣', '9'.repeat(16), 'NaN'])(
    'refuses %j',
    (text) => expect(parse(text)).toBeUndefined(),
  )
})

describe('nonEmpty', () => {
  it('takes any text but the empty one', () => {
    expect([nonEmpty('a b'), nonEmpty('')]).toEqual(['a b', undefined])
  })
})
