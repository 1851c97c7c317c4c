import { KINDS } from '@signalbox/model'
import { describeDialect } from './dialect.contract.ts'
import { kindTraits } from './kinds.ts'
import { upstreamPath } from './upstream-path.ts'

describeDialect({
  dialect: kindTraits('gemini').dialect,
  wholeStreams: ['data: {"choices":[]}\n\ndata: [DONE]\n\n'],
  lists: [
    [{ data: [{ id: 'models/gemini-2.5-flash' }, { id: 'other' }] }, ['gemini-2.5-flash', 'other']],
  ],
})

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
    const { discoveryPath, dialect } = kindTraits('gemini')
    expect(upstreamPath(base, discoveryPath)).toBe('/v1beta/openai/models')
    expect(upstreamPath(base, dialect.operations[0]?.path ?? '')).toBe(
      '/v1beta/openai/chat/completions',
    )
  })
})
