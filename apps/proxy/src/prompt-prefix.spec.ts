import { scanBody } from './body-scan.ts'
import { promptPrefix, PREFIX_BYTES_MAX } from './prompt-prefix.ts'

function prefixOf(value: unknown, member = 'messages'): string {
  const body = Buffer.from(JSON.stringify({ model: 'm', [member]: value, n: 1 }))
  const scan = scanBody(body)
  if (!scan.ok || !scan.prompt) throw new Error('no prompt')
  const { start, end } = promptPrefix(body, scan.prompt)
  return body.subarray(start, end).toString()
}
const say = (role: string, content: unknown) => ({ role, content })

describe('the prefix of a prompt', () => {
  it('is the same in every turn of a conversation, and another one in the next', () => {
    const first = [say('system', 'Be brief.'), say('user', 'Hello')]
    const later = [...first, say('assistant', 'Hi'), say('user', 'And now?')]
    expect(prefixOf(later)).toBe(prefixOf(first))
    expect(prefixOf(first)).toContain('Hello')
    expect(prefixOf([first[0], say('user', 'Bye')])).not.toBe(prefixOf(first))
  })

  it('finds the user behind other members, and past nested ones', () => {
    const parts = [{ type: 'text', text: 'a"}]' }, { role: 'user' }]
    const odd = { content: parts, role: 'system' }
    const asked = { name: 'x', content: 'q', role: 'user' }
    expect(prefixOf([odd, asked, say('user', 'no')], 'input')).toMatch(/"q","role":"user"}$/)
  })

  it('is bounded', () => {
    const long = 'x'.repeat(100_000)
    expect(prefixOf([say('user', long)])).toHaveLength(PREFIX_BYTES_MAX)
    expect(prefixOf(long, 'prompt')).toHaveLength(1_024)
  })

  it.each([[[]], [['a', 'b']], [[1, [2]]], [{}], [null], [[say('assistant', 'x')]], ['']])(
    'of %j is what there is',
    (value) => {
      const text = JSON.stringify(value)
      expect(text.startsWith(prefixOf(value, 'input'))).toBe(true)
    },
  )
})
