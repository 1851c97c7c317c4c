import fc from 'fast-check'
import {
  hostProblem,
  isAllowedAddress,
  letsNothingThrough,
  networkSpec,
  zoneOf,
} from './network.ts'

const standard = networkSpec.parse({})
const allowing = (...allow: string[]) => networkSpec.parse({ allow })

describe('the zone of an address', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.255', 'loopback'],
    ['0.0.0.0', 'loopback'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['::', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['[::ffff:7f00:1]', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['172.32.0.0', 'public'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12::1', 'private'],
    ['169.254.1.1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['FE80::1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['169.254.170.2', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['fd00:0ec2:0:0:0:0:0:254', 'metadata'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['::169.254.169.254', 'metadata'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['2002:a9fe:a9fe::1', 'metadata'],
    ['64:ff9b:1::a9fe:a9fe', 'metadata'],
    ['64:ff9b:1:7:8:9:169.254.169.254', 'metadata'],
    ['64:ff9b:2::a9fe:a9fe', 'public'],
    ['::ffff:0:169.254.169.254', 'metadata'],
    ['::ffff:0:10.0.0.1', 'private'],
    ['224.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['ff02::1', 'reserved'],
    ['8.8.8.8', 'public'],
    ['2606:4700::1111', 'public'],
  ])('%s is %s', (address, zone) => {
    expect(zoneOf(address)).toBe(zone)
  })

  it.each([
    '',
    'a',
    'localhost',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1:2',
    ':::',
    '1::2::3',
    'g::',
  ])('%j has none: it is no address', (text) => {
    expect(zoneOf(text)).toBeUndefined()
    expect(isAllowedAddress(text, standard)).toBe(false)
  })

  it('is the same for every way to write an address of IPv6', () => {
    const hextets = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      ...{ minLength: 8, maxLength: 8 },
    })
    fc.assert(
      fc.property(hextets, (groups) => {
        const long = groups.map((group) => group.toString(16).padStart(4, '0')).join(':')
        // The URL parser writes it in the shortest way.
        expect(zoneOf(new URL(`http://[${long}]`).hostname)).toBe(zoneOf(long))
      }),
    )
  })
})

describe('the standard', () => {
  it('lets through what is public, private and loopback', () => {
    for (const address of ['8.8.8.8', '10.0.0.1', '127.0.0.1', '::1', 'fd00::1']) {
      expect(isAllowedAddress(address, standard)).toBe(true)
    }
  })

  it.each(['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '169.254.1.1', 'fe80::1'])(
    'refuses %s',
    (address) => {
      expect(isAllowedAddress(address, standard)).toBe(false)
      expect(hostProblem(address, standard)).toContain(address)
    },
  )

  it.each(['metadata.google.internal', 'Metadata.Google.Internal.', 'instance-data'])(
    'refuses the name %s',
    (name) => expect(hostProblem(name, standard)).toContain('credentials'),
  )

  it.each(['localhost', 'api.openai.com', '10.0.0.1', '[::1]'])('says nothing of %s', (host) => {
    expect(hostProblem(host, standard)).toBeUndefined()
  })

  it('sees through every way in which a URL writes the metadata address', () => {
    for (const host of ['0xA9FEA9FE', '2852039166', '0251.0376.0251.0376', '169.254.43518']) {
      expect(hostProblem(new URL(`http://${host}/`).hostname, standard)).toContain('metadata')
    }
  })
})

describe('what is allowed', () => {
  it('is nothing but that', () => {
    const network = allowing('public', '10.1.0.0/16', 'fd00:1::/32')
    for (const address of ['8.8.8.8', '10.1.2.3', 'fd00:1::9', '::ffff:10.1.0.1']) {
      expect(isAllowedAddress(address, network)).toBe(true)
    }
    for (const address of ['10.2.0.1', '127.0.0.1', 'fd00:2::1']) {
      expect(isAllowedAddress(address, network)).toBe(false)
    }
    expect(hostProblem('localhost', network)).toContain('loopback')
    expect(hostProblem('x.localhost', network)).toContain('loopback')
    expect(hostProblem('localhost', allowing())).toBeDefined()
  })

  it('may be link-local, and one metadata address by its own name only', () => {
    expect(isAllowedAddress('169.254.1.1', allowing('link-local'))).toBe(true)
    expect(isAllowedAddress('169.254.169.254', allowing('link-local'))).toBe(false)
    expect(isAllowedAddress('169.254.169.254', allowing('169.254.0.0/16'))).toBe(false)
    expect(isAllowedAddress('169.254.169.254', allowing('169.254.169.254'))).toBe(true)
    expect(isAllowedAddress('169.254.169.254', allowing('::ffff:169.254.169.254'))).toBe(true)
    expect(isAllowedAddress('fd00:ec2::254', allowing('169.254.169.254'))).toBe(false)
    expect(isAllowedAddress('224.0.0.1', allowing('224.0.0.0/4'))).toBe(true)
  })

  it.each(['metadata', 'reserved', 'x', '10.0.0.0/33', '1.2.3'])('may not be written %j', (one) => {
    expect(networkSpec.safeParse({ allow: [one] }).success).toBe(false)
  })
})

it('a network of IPv6 that stands for one of IPv4 lets nothing through, unlike all others', () => {
  const idle = [
    '::ffff:10.0.0.0/104',
    '64:ff9b::/96',
    '64:ff9b:1:2::/64',
    '2002:a00::/24',
    '::2/127',
  ]
  for (const one of idle) expect([one, letsNothingThrough(one)]).toEqual([one, true])
  const others = ['::/0', '::/96', '::1/128', '::ffff:10.0.0.1', '64:ff9b::/95', 'fd00::/8']
  for (const one of [...others, '10.0.0.0/8', 'public', '10.0.0.1']) {
    expect([one, letsNothingThrough(one)]).toEqual([one, false])
  }
})
