import { addResponseHeaders, requestHeaders, saneRequestId } from './headers.ts'

describe('headers to the backend', () => {
  it.each([
    'Authorization',
    'Cookie',
    'Proxy-Authorization',
    'X-Api-Key',
    'X-Goog-Api-Key',
    'Host',
    'Connection',
    'Upgrade',
    'TE',
    'Transfer-Encoding',
    'Content-Length',
    'Expect',
    'Forwarded',
    'X-Forwarded-For',
    'X-Real-IP',
  ])('never hold the %s of the client', (name) => {
    expect(requestHeaders([name, 'value'], [])).toEqual([])
  })

  it.each(['Accept', 'User-Agent', 'OpenAI-Beta', 'Anthropic-Version', 'X-Stainless-Lang'])(
    'hold the %s of the client as it is',
    (name) => {
      expect(requestHeaders([name, 'V a'], [])).toEqual([name.toLowerCase(), 'V a'])
    },
  )

  it.each([
    ['in one line', ['Connection', 'keep-alive, Accept , x-a']],
    ['in several', ['connection', 'x-a', 'CONNECTION', 'accept']],
  ])('hold nothing that Connection names, %s, wherever it stands', (_, connection) => {
    const raw = ['accept', 'a', ...connection, 'user-agent', 'u', 'Accept', 'b']
    expect(requestHeaders(raw, [['x-own', '1']])).toEqual(['user-agent', 'u', 'x-own', '1'])
  })

  it('hold our own in place of what the client wrote under the same name', () => {
    const raw = ['Anthropic-Version', 'x', 'Accept', 'y']
    expect(requestHeaders(raw, [['anthropic-version', 'ours']])).toEqual([
      'accept',
      'y',
      'anthropic-version',
      'ours',
    ])
  })
})

describe('headers to the client', () => {
  it('are those that clients know what to do with, and no others', () => {
    const target = ['own', '1']
    addResponseHeaders(target, {
      'content-type': 'a',
      'x-ratelimit-remaining-tokens': '5',
      'openai-processing-ms': '7',
      vary: ['b', 'c'] as unknown as string,
      'set-cookie': ['s=1'],
      server: 'x',
      connection: 'close',
      'transfer-encoding': 'chunked',
      'x-request-id': 'theirs',
      'x-signalbox-backend': 'forged',
    })
    expect(target).toEqual([
      ...['own', '1'],
      ...['content-type', 'a'],
      ...['x-ratelimit-remaining-tokens', '5'],
      ...['openai-processing-ms', '7'],
      ...['vary', 'b', 'vary', 'c'],
    ])
  })

  it('hold nothing that Connection names, in one line or in several', () => {
    for (const connection of ['keep-alive, Vary', ['keep-alive', 'Vary'], ['Vary, x-a', 'x-b']]) {
      const target: string[] = []
      const headers = { connection: connection as string, vary: 'a', 'content-type': 'b' }
      addResponseHeaders(target, headers)
      expect(target).toEqual(['content-type', 'b'])
    }
  })
})

describe('how long a client is told to wait', () => {
  it.each([
    ['7', '7'],
    ['60', '60'],
    ['86400', '60'],
    ['9'.repeat(15), '60'],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 'Wed, 21 Oct 2026 07:28:00 GMT'],
  ])('of %s is %s', (theirs, ours) => {
    const target: string[] = []
    addResponseHeaders(target, { 'retry-after': theirs })
    expect(target).toEqual(['retry-after', ours])
  })
})

describe('a request id', () => {
  it('of the client is taken where it is 1 to 128 visible characters', () => {
    for (const id of ['a', 'x'.repeat(128), '{"a":1}']) expect(saneRequestId(id)).toBe(id)
  })

  it.each([undefined, '', 'a b', 'a\tb', 'caf\u00e9', 'x'.repeat(129), ['a', 'b']])(
    'is not taken from %j',
    (id) => {
      expect(saneRequestId(id)).toBeUndefined()
    },
  )
})
