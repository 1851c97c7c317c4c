import { type Prompt } from '@signalbox/model'
import { OPERATIONS } from './kinds.ts'

const add = (name: string) => {
  const found = OPERATIONS.find((one) => one.name === name)?.addPrompt
  if (!found) throw new Error(`${name} takes no prompt`)
  return (body: object, mode: Prompt['mode']) => found({ ...body }, { text: 'P', mode })
}
const user = { role: 'user', content: 'u' }
const system = (content: unknown, role = 'system') => ({ role, content })

describe('a system prompt of the operator', () => {
  it.each<[string, object[], Prompt['mode'], object[]]>([
    ['none', [user], 'prepend', [system('P'), user]],
    ['none', [user], 'append', [system('P'), user]],
    ['a text', [system('s'), user], 'prepend', [system('P\n\ns'), user]],
    ['a text', [system('s'), user], 'append', [system('s\n\nP'), user]],
    ['a text', [system('s', 'developer'), user], 'replace', [system('P'), user]],
    ['two', [system('a'), system('b'), user], 'append', [system('a'), system('b\n\nP'), user]],
    ['a late one', [user, system('s')], 'replace', [system('P'), user]],
    [
      'parts',
      [system([{ type: 'text', text: 's' }])],
      'append',
      [
        system([
          { type: 'text', text: 's' },
          { type: 'text', text: 'P' },
        ]),
      ],
    ],
  ])('joins that of OpenAI: %s, %j, %s', (_what, messages, mode, joined) => {
    expect(add('chat.completions')({ a: 1, messages }, mode)).toEqual({ a: 1, messages: joined })
  })

  it('joins that of Anthropic', () => {
    const of = add('messages')
    const part = (text: string) => ({ type: 'text', text })
    expect(of({}, 'append')).toEqual({ system: 'P' })
    expect(of({ system: 's' }, 'prepend')).toEqual({ system: 'P\n\ns' })
    const cached = { ...part('s'), cache_control: { type: 'ephemeral' } }
    expect(of({ system: [cached] }, 'append')).toEqual({ system: [cached, part('P')] })
    expect(of({ system: [cached] }, 'replace')).toEqual({ system: [part('P')] })
  })

  it('joins that of Gemini, under the name that it has', () => {
    const of = add('generateContent')
    const parts = [{ text: 's' }]
    expect(of({}, 'prepend')).toEqual({ systemInstruction: { parts: [{ text: 'P' }] } })
    expect(of({ system_instruction: { role: 'user', parts } }, 'prepend')).toEqual({
      system_instruction: { role: 'user', parts: [{ text: 'P' }, ...parts] },
    })
    expect(of({ systemInstruction: { parts: { text: 's' } } }, 'append')).toEqual({
      systemInstruction: { parts: [...parts, { text: 'P' }] },
    })
    expect(of({ systemInstruction: { parts } }, 'replace')).toEqual({
      systemInstruction: { parts: [{ text: 'P' }] },
    })
  })

  it('joins the instructions of a response', () => {
    expect(add('responses')({ instructions: 's' }, 'prepend')).toEqual({ instructions: 'P\n\ns' })
  })

  it('leaves alone what is no request', () => {
    expect(add('chat.completions')({ messages: 'x' }, 'replace')).toEqual({ messages: 'x' })
    expect(add('messages')({ system: 7 }, 'append')).toEqual({ system: 7 })
  })
})
