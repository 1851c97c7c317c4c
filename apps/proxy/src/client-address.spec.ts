import { type IncomingMessage } from 'node:http'
import { clientAddress, networkOf } from './client-address.ts'
import { estimateTokens } from './token-estimate.ts'

const from = (remoteAddress: string | undefined, forwarded?: string) =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage
const TRUSTED = ['10.0.0.0/8', '192.0.2.7', '2001:db8:1::/48']

describe('clientAddress', () => {
  it.each([
    ['the peer, whatever it claims', '203.0.113.1', '1.2.3.4', [], '203.0.113.1'],
    ['a peer that is not trusted', '203.0.113.1', '1.2.3.4', TRUSTED, '203.0.113.1'],
    ['who a trusted peer names', '10.1.2.3', '1.2.3.4', TRUSTED, '1.2.3.4'],
    ['the last that is not trusted', '10.1.2.3', '6.6.6.6, 1.2.3.4, 192.0.2.7', TRUSTED, '1.2.3.4'],
    ['what comes before something else', '10.1.2.3', '6.6.6.6, x, 10.0.0.9', TRUSTED, '10.0.0.9'],
    ['a trusted peer that names nobody', '10.1.2.3', undefined, TRUSTED, '10.1.2.3'],
    ['IPv4 as IPv6 writes it', '::ffff:10.1.2.3', '::ffff:1.2.3.4', TRUSTED, '1.2.3.4'],
    ['who asks over a local socket', undefined, '1.2.3.4', TRUSTED, '1.2.3.4'],
    ['nobody over a local socket', undefined, '1.2.3.4', [], undefined],
  ])('is %s', (_what, peer, forwarded, trusted, expected) => {
    expect(clientAddress(from(peer, forwarded), trusted)).toBe(expected)
  })

  it('is one for all of a network of IPv6', () => {
    const all = ['2001:db8:0:5::1', '2001:0DB8:0000:0005:ffff:1:2:3', '2001:db8:0:5:0::9%eth0']
    expect(new Set(all.map(networkOf))).toEqual(new Set(['2001:db8:0:5::/64']))
    expect(networkOf('::1')).toBe('0:0:0:0::/64')
    expect(networkOf('1.2.3.4')).toBe('1.2.3.4')
  })
})

describe('estimateTokens', () => {
  const estimate = (body: object) => estimateTokens(Buffer.from(JSON.stringify(body)))
  const bare = (body: object) => Math.ceil(JSON.stringify(body).length / 4)

  it.each(['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'maxOutputTokens'])(
    'counts what the answer may have by %s, up to a bound',
    (name) => {
      const body = { model: 'm', messages: [], [name]: 77 }
      expect(estimate(body)).toBe(bare(body) + 77)
      expect(estimate({ ...body, [name]: 1e6 })).toBe(bare({ ...body, [name]: 1e6 }) + 4_096)
    },
  )

  it('takes no word of a prompt for it', () => {
    const body = { messages: [{ content: '"max_tokens": 5 \\"max_tokens\\":9' }] }
    expect(estimate(body)).toBe(bare(body) + 256)
  })
})
