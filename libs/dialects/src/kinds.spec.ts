import { KINDS } from '@signalbox/model'
import { kindTraits } from './kinds.ts'
import { upstreamPath } from './upstream-path.ts'

describe('kindTraits', () => {
  it.each(KINDS)('knows %s, the same each time', (kind) => {
    const traits = kindTraits(kind)
    expect(traits.kind).toBe(kind)
    expect(kindTraits(kind)).toBe(traits)
    expect(traits.healthPath).toMatch(/^\/[a-z0-9/]+$/)
    expect(traits.discoveryPath).toMatch(/^\/v1\//)
  })

  it.each(KINDS)('sends the credential of %s in headers and nowhere else', (kind) => {
    const headers = kindTraits(kind).credentialHeaders('s3cret')
    expect(headers.length).toBeGreaterThan(0)
    for (const [name, value] of headers) {
      expect(name).toBe(name.toLowerCase())
      expect(value).toMatch(/^(Bearer )?s3cret$/)
    }
  })

  it('leaves names of other kinds as they are, also where they look like those of Gemini', () => {
    const body = { data: [{ id: 'models/local' }] }
    expect(kindTraits('vllm').dialect.readModels(body)).toEqual(['models/local'])
  })

  it('sends what the native paths of Anthropic and Azure ask for', () => {
    expect(kindTraits('anthropic').credentialHeaders('k')).toContainEqual(['x-api-key', 'k'])
    expect(kindTraits('anthropic').fixedHeaders).toEqual([['anthropic-version', '2023-06-01']])
    expect(kindTraits('azure-openai').credentialHeaders('k')).toEqual([['api-key', 'k']])
  })

  it('reaches Gemini where Google documents it', () => {
    const base = 'https://generativelanguage.googleapis.com/v1beta/openai'
    const { discoveryPath } = kindTraits('gemini')
    expect(upstreamPath(base, discoveryPath)).toBe('/v1beta/openai/models')
    expect(upstreamPath(base, '/v1/chat/completions')).toBe('/v1beta/openai/chat/completions')
    const native = '/v1beta/models/gemini-3-pro:generateContent'
    expect(upstreamPath(base, native)).toBe(native)
  })

  it('shows the credential of Gemini as each of its two doors wants it', () => {
    const { credentialHeaders } = kindTraits('gemini')
    expect(credentialHeaders('k', 'gemini')).toEqual([['x-goog-api-key', 'k']])
    expect(credentialHeaders('k', 'openai')).toEqual([['authorization', 'Bearer k']])
  })
})
