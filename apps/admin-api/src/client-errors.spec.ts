import { connect } from 'node:net'
import { type Api, startApi, TOKENS } from './api-harness.ts'

let at: Api
beforeEach(async () => {
  at = await startApi()
})
afterEach(() => at.end())

/** Sends these bytes, and answers all that comes until the server ends the connection. */
function exchange(text: string, { ends = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(Number(new URL(at.base).port), '127.0.0.1')
    socket.setEncoding('utf8').on('data', (part: string) => (heard += part))
    socket.on('error', () => {}).on('close', () => resolve(heard))
    socket.write(text)
    if (ends) socket.end()
  })
}

const head = (line: string, ...headers: string[]) =>
  [line, 'host: admin', `authorization: Bearer ${TOKENS.admin}`, ...headers, '', ''].join('\r\n')
const LONG = head('GET / HTTP/1.1', `x: ${'y'.repeat(20_000)}`)
const WITH_BODY = ['connection: close', 'content-type: application/json', 'content-length: 20']

describe('what never becomes a request', () => {
  it.each([
    ['no HTTP', 'nonsense\r\n\r\n', 400, 'admin_malformed_request'],
    ['too long a header', LONG, 431, 'admin_headers_too_large'],
    ['CONNECT', head('CONNECT a:1 HTTP/1.1'), 405, 'method_not_allowed'],
  ])('%s is answered with a problem document', async (_name, text, status, code) => {
    const heard = await exchange(text)
    const [top = '', body = ''] = heard.split('\r\n\r\n')
    expect(top).toMatch(`HTTP/1.1 ${status} `)
    expect(top).toMatch('content-type: application/problem+json')
    expect(JSON.parse(body)).toMatchObject({ status, code, requestId: expect.any(String) })
  })

  it('a body that breaks off is refused, and writes nothing', async () => {
    const text = head('POST /admin/v1/backends HTTP/1.1', ...WITH_BODY)
    expect(await exchange(`${text}{"id":`, { ends: true })).toMatch('"admin_malformed_request"')
    expect((await at.store.head()).revision).toBe(0)
  })

  it('is not put behind an answer that was given already', async () => {
    const types = WITH_BODY.with(1, 'content-type: text/plain')
    const text = head('POST /admin/v1/backends HTTP/1.1', ...types)
    const heard = await exchange(`${text}{"id":`, { ends: true })
    expect(heard.match(/HTTP\/1\.1 \d+/g)?.length ?? 0).toBeLessThanOrEqual(1)
  })

  it('an expectation that is not known is passed over', async () => {
    const text = head('GET /admin/v1/backends HTTP/1.1', 'expect: x', 'connection: close')
    expect(await exchange(text)).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('a time that Postgres does not know is refused, not our fault', () => {
  it.each(['0000-01-01T00:00:00Z', '0001-01-01T00:00:00%2B14:00', '9999-12-31T23:59:59-23:59'])(
    '%s',
    async (time) => {
      for (const path of [`backends?asOf=${time}`, `revisions?from=${time}`]) {
        const { status, json } = await at.call('GET', path)
        expect([path, status, json.code]).toEqual([path, 400, 'unknown_parameter'])
      }
    },
  )

  it('the years 1 and 9999 are known', async () => {
    for (const time of ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
      expect((await at.call('GET', `backends?asOf=${time}`)).status).toBe(200)
      expect((await at.call('GET', `revisions?from=${time}`)).status).toBe(200)
    }
  })
})
