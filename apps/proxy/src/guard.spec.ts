import { asksToClose, guard, URL_LENGTH_MAX } from './guard.ts'

const head = { httpVersion: '1.1', url: '/v1/models', rawHeaders: ['Host', 'a'] }
const withHeaders = (...more: string[]) => guard({ ...head, rawHeaders: ['Host', 'a', ...more] })

describe('the guard', () => {
  it.each([
    ['a plain request', head],
    ['HTTP/1.0 without a transfer-encoding', { ...head, httpVersion: '1.0' }],
    ['a chunked body', { ...head, rawHeaders: ['host', 'a', 'Transfer-Encoding', 'chunked'] }],
    ['two accept headers', { ...head, rawHeaders: ['host', 'a', 'accept', 'b', 'accept', 'c'] }],
    ['the longest URL', { ...head, url: '/'.padEnd(URL_LENGTH_MAX, 'x') }],
  ])('lets %s pass', (_, request) => {
    expect(guard(request)).toBeUndefined()
  })

  it.each(['host', 'Authorization', 'content-type', 'Content-Length', 'Transfer-Encoding'])(
    'refuses a second %s, however it is written',
    (name) => {
      const rawHeaders = ['Host', 'a', name.toLowerCase(), 'chunked', name.toUpperCase(), 'chunked']
      expect(guard({ ...head, rawHeaders })?.code).toBe('malformed_request')
    },
  )

  it.each(['gzip, chunked', 'chunked, chunked', 'identity', 'xchunked', 'chunked;a=b', ''])(
    'refuses the transfer-encoding %j',
    (value) => {
      expect(withHeaders('transfer-encoding', value)?.code).toBe('malformed_request')
    },
  )

  it.each(['http://other/v1/models', '*', 'other:443', '//other/v1/models', ''])(
    'refuses the target %j',
    (url) => {
      expect(guard({ ...head, url })?.code).toBe('malformed_request')
    },
  )

  it.each(['x y', 'x:', 'x\u00e9', '', '(x)'])('refuses the header name %j', (name) => {
    expect(withHeaders(name, '1')?.code).toBe('malformed_request')
  })

  it.each(['2.0', '0.9', '1.2'])('refuses HTTP/%s', (httpVersion) => {
    expect(guard({ ...head, httpVersion })?.code).toBe('malformed_request')
  })

  it('refuses a length beside a transfer-encoding, and a transfer-encoding in HTTP/1.0', () => {
    const chunked = ['transfer-encoding', 'chunked']
    expect(withHeaders(...chunked, 'content-length', '1')?.code).toBe('malformed_request')
    const rawHeaders = ['host', 'a', ...chunked]
    expect(guard({ ...head, httpVersion: '1.0', rawHeaders })?.code).toBe('malformed_request')
  })

  it('refuses a request without a host, and a URL over the limit', () => {
    expect(guard({ ...head, rawHeaders: [] })?.code).toBe('malformed_request')
    const url = '/'.padEnd(URL_LENGTH_MAX + 1, 'x')
    expect(guard({ ...head, url })?.code).toBe('headers_too_large')
  })
})

describe('the wish to close', () => {
  it.each(['close', 'Close', 'close\t', ' keep-alive , CLOSE'])('is seen in %j', (connection) => {
    expect(asksToClose('1.1', connection)).toBe(true)
  })

  it('is seen in HTTP/1.0 whatever it says, and in nothing else', () => {
    expect(asksToClose('1.0', 'keep-alive')).toBe(true)
    expect(asksToClose('1.1', undefined)).toBe(false)
    expect(asksToClose('1.1', 'closed, x-close')).toBe(false)
  })
})
