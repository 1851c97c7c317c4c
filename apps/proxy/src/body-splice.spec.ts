import { scanBody } from './body-scan.ts'
import { spliceModel } from './body-splice.ts'

function splice(text: string, model: string) {
  const body = Buffer.from(text)
  const scan = scanBody(body)
  if (!scan.ok || !scan.model) throw new Error('the body names no model')
  return { body, ...spliceModel(body, scan.model, model) }
}

describe('spliceModel', () => {
  it('puts another name in place and keeps every other byte', () => {
    const { parts, length } = splice('{ "a":"é" , "model" : "x\\u0079" ,"b": 1.0 }', 'team/other')
    const whole = Buffer.concat(parts)
    expect(whole.toString()).toBe('{ "a":"é" , "model" : "team/other" ,"b": 1.0 }')
    expect(length).toBe(whole.length)
  })

  it('copies nothing of the body', () => {
    const { body, parts } = splice('{"model":"x","b":1}', 'other')
    expect(parts[0].buffer).toBe(body.buffer)
    expect(parts[2].buffer).toBe(body.buffer)
  })

  it('writes a name that needs escapes as JSON', () => {
    const { parts, length } = splice('{"model":"x"}', 'quote " and é')
    const whole = Buffer.concat(parts)
    expect(JSON.parse(whole.toString())).toEqual({ model: 'quote " and é' })
    expect(length).toBe(whole.length)
  })
})
