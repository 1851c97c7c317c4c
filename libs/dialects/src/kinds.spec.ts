import { type Kind, KINDS } from '@signalbox/model'
import { kindTraits } from './kinds.ts'
import { upstreamPath } from './upstream-path.ts'

const CHAT = '/v1/chat/completions'
const [OPENAI_ERROR, TEXT_ERROR] = [{ error: { message: 'no', code: 'x' } }, { error: 'no' }]
/** A base URL as its maker gives it, the path of its chat, and an error as its servers write it. */
const DOCUMENTED: Readonly<Record<Kind, readonly [base: string, chat: string, error: object]>> = {
  openai: ['https://api.openai.com/v1', CHAT, OPENAI_ERROR],
  'azure-openai': ['https://r.openai.azure.com/openai/v1', CHAT, OPENAI_ERROR],
  anthropic: [
    'https://api.anthropic.com',
    '/v1/messages',
    { type: 'error', error: { type: 'invalid_request_error', message: 'no' } },
  ],
  gemini: [
    'https://generativelanguage.googleapis.com/v1beta/openai',
    CHAT,
    { error: { code: 400, message: 'no', status: 'INVALID_ARGUMENT' } },
  ],
  vllm: ['http://h:8000', CHAT, { object: 'error', message: 'no', type: 'BadRequestError' }],
  ollama: ['http://h:11434', CHAT, OPENAI_ERROR],
  'ollama-native': ['http://h:11434', CHAT, TEXT_ERROR],
  llamacpp: ['http://h:8080', CHAT, { error: { code: 400, message: 'no', type: 'x' } }],
  lmstudio: ['http://h:1234/v1', CHAT, TEXT_ERROR],
  localai: ['http://h:8080/v1', CHAT, OPENAI_ERROR],
  tgi: ['http://h:80', CHAT, { error: 'no', error_type: 'validation' }],
  'openai-compatible': ['https://h/v1', CHAT, { detail: 'no' }],
  signalbox: ['http://h:8080', CHAT, OPENAI_ERROR],
}

describe('kindTraits', () => {
  it.each(KINDS)('knows %s, the same each time', (kind) => {
    const traits = kindTraits(kind)
    expect(traits.kind).toBe(kind)
    expect(kindTraits(kind)).toBe(traits)
    expect(traits.healthPath).toMatch(/^\/[a-z0-9/]+(\?limit=1000)?$/)
    expect(traits.discoveryPath).toMatch(/^\/(v1|api)\//)
  })

  it('reaches each kind where its maker documents it, and reads its errors', () => {
    const table = KINDS.map((kind) => {
      const [base, chat, error] = DOCUMENTED[kind]
      const { dialect, native, ...traits } = kindTraits(kind)
      const [name = ''] = traits.credentialHeaders('k')[0] ?? []
      const models = upstreamPath(base, traits.discoveryPath)
      const health = upstreamPath(base, traits.healthPath)
      const path = upstreamPath(base, chat)
      const { message } = dialect.chat.readError(400, error)
      return [
        kind,
        dialect.name,
        native.join(),
        name,
        health,
        models,
        path,
        traits.limitMember,
        message,
      ]
    })
    const [old, late] = ['max_tokens', 'max_completion_tokens']
    const v1 = ['/v1/models', CHAT] as const
    const bearer = ['openai', 'openai', 'authorization'] as const
    const claude = '/v1/models?limit=1000'
    const google = '/v1beta/openai'
    const azure = '/openai/v1'
    expect(table).toEqual([
      ['openai', ...bearer, '/v1/models', ...v1, late, 'no'],
      [
        'azure-openai',
        'openai',
        'openai',
        'api-key',
        `${azure}/models`,
        `${azure}/models`,
        `${azure}/chat/completions`,
        late,
        'no',
      ],
      [
        'anthropic',
        'anthropic',
        'anthropic',
        'x-api-key',
        claude,
        claude,
        '/v1/messages',
        undefined,
        'no',
      ],
      [
        'gemini',
        'gemini',
        'gemini,openai',
        'authorization',
        `${google}/models`,
        `${google}/models`,
        `${google}/chat/completions`,
        undefined,
        'no',
      ],
      ['vllm', ...bearer, '/health', ...v1, undefined, 'no'],
      ['ollama', 'openai', 'openai,ollama', 'authorization', '/v1/models', ...v1, old, 'no'],
      [
        'ollama-native',
        'ollama',
        'ollama,openai',
        'authorization',
        '/api/version',
        '/api/tags',
        CHAT,
        undefined,
        'no',
      ],
      ['llamacpp', ...bearer, '/health', ...v1, undefined, 'no'],
      ['lmstudio', ...bearer, '/v1/models', ...v1, old, 'no'],
      ['localai', ...bearer, '/v1/models', ...v1, old, 'no'],
      ['tgi', ...bearer, '/health', ...v1, old, 'no'],
      ['openai-compatible', ...bearer, '/v1/models', ...v1, undefined, 'no'],
      [
        'signalbox',
        'openai',
        'openai,anthropic,gemini,ollama',
        'authorization',
        '/health',
        ...v1,
        undefined,
        'no',
      ],
    ])
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
