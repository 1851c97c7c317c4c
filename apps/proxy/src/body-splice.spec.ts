import { scanBody } from './body-scan.ts'
import { edited } from './body-splice.ts'

function renamed(text: string, model: string): string {
  const body = Buffer.from(text)
  const scan = scanBody(body)
  if (!scan.ok || !scan.model) throw new Error('the body names no model')
  return edited(body, [{ ...scan.model, text: JSON.stringify(model) }]).toString()
}

describe('edited', () => {
  it('puts another name in place and keeps every other byte', () => {
    expect(renamed('{ "a":"é" , "model" : "x\\u0079" ,"b": 1.0 }', 'team/other')).toBe(
      '{ "a":"é" , "model" : "team/other" ,"b": 1.0 }',
    )
  })

  it('makes several edits, whatever their order', () => {
    const edits = [
      { start: 4, end: 5, text: 'X' },
      { start: 1, end: 1, text: '<>' },
      { start: 5, end: 6, text: '' },
    ]
    expect(edited(Buffer.from('0123456789'), edits).toString()).toBe('0<>123X6789')
  })

  it('copies nothing where nothing is edited', () => {
    const body = Buffer.from('{}')
    expect(edited(body, [])).toBe(body)
  })

  it('writes a name that needs escapes as JSON', () => {
    expect(JSON.parse(renamed('{"model":"x"}', 'quote " and é'))).toEqual({
      model: 'quote " and é',
    })
  })
})
