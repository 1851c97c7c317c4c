import fc from 'fast-check'
import { durationMs, labels, modelName, resourceId, weight } from './fields.ts'

describe('durationMs', () => {
  it.each<[number | string, number]>([
    [1, 1],
    [86_400_000, 86_400_000],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['0.001s', 1],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['24h', 86_400_000],
  ])('reads %j as %d ms', (input, ms) => {
    expect(durationMs.parse(input)).toBe(ms)
  })

  it.each([
    [0],
    [-1],
    [1.5],
    [NaN],
    [Infinity],
    [86_400_001],
    ['25h'],
    ['0s'],
    ['30'],
    ['30 s'],
    ['-1s'],
    ['1e3ms'],
    ['30S'],
    ['1d'],
    ['1m30s'],
    [''],
    [null],
    [true],
  ])('refuses %j', (input) => {
    expect(durationMs.safeParse(input).success).toBe(false)
  })

  it('says what is right', () => {
    const message = durationMs.safeParse('soon').error?.issues[0]?.message
    expect(message).toBe('expected 1 to 86400000 ms, or text such as "500ms", "30s", "5m"')
  })

  it('reads any whole number of a unit within a day', () => {
    const unit = fc.constantFrom(['ms', 1], ['s', 1_000], ['m', 60_000], ['h', 3_600_000])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400_000 }), unit, (count, [name, ms]) => {
        const parsed = durationMs.safeParse(`${count}${name}`)
        expect(parsed.success).toBe(count * Number(ms) <= 86_400_000)
        if (parsed.success) expect(parsed.data).toBe(count * Number(ms))
      }),
    )
  })
})

describe('names', () => {
  it.each([['gpt-4o'], ['meta-llama/Llama-3.1-8B'], ['llama3:8b'], ['a@1+b']])(
    'takes the model name %s',
    (name) => {
      expect(modelName.safeParse(name).success).toBe(true)
    },
  )

  it.each([[''], ['-a'], ['a b'], ['a\n'], ['ä'], ['x'.repeat(256)]])(
    'refuses the model name %j',
    (name) => {
      expect(modelName.safeParse(name).success).toBe(false)
    },
  )

  it('takes an id of 63 characters and refuses slashes, blanks and more', () => {
    expect(resourceId.safeParse('x'.repeat(63)).success).toBe(true)
    for (const id of ['x'.repeat(64), 'a/b', ' a', 'a\n', '', '.a', '__proto__']) {
      expect(resourceId.safeParse(id).success).toBe(false)
    }
  })

  it('takes whole weights from 0 to 1000', () => {
    expect([0, 1000].every((n) => weight.safeParse(n).success)).toBe(true)
    expect([-1, 1001, 0.5, '1'].some((n) => weight.safeParse(n).success)).toBe(false)
  })

  it('takes up to 64 labels', () => {
    const some = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, 'v']))
    expect(labels.safeParse(some(64)).success).toBe(true)
    expect(labels.safeParse(some(65)).success).toBe(false)
    expect(labels.safeParse({ 'not a name': 'v' }).success).toBe(false)
  })
})
