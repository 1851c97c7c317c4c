import * as z from 'zod'
import { strict } from './fields.ts'

/*
 * Which addresses a backend may have. A name of a backend's url is looked up by every proxy and
 * probe, and what it means may change in between: so the rule is asked where a connection is made,
 * about the address that it goes to, and here only for what stands in the url itself.
 *
 * Every address is of one zone. `zones` lists those that are let through; an address or network
 * that is written out lets through what is in it whatever its zone, but for one thing: where clouds
 * hand out credentials is let through by that very address alone.
 */

/** `reserved`: multicast, broadcast and what nobody has. `metadata`: credentials of clouds. */
export type Zone = 'public' | 'private' | 'loopback' | 'link-local' | 'metadata' | 'reserved'
export const ZONES_TO_ALLOW = ['public', 'private', 'loopback', 'link-local'] as const
const STANDARD: readonly (typeof ZONES_TO_ALLOW)[number][] = ['public', 'private', 'loopback']
const ALLOWED_MAX = 100

export const networkSpec = strict({
  /** Zones, addresses and networks (`10.1.0.0/16`) that backends may be in. */
  allow: z
    .array(
      z.union([z.enum(ZONES_TO_ALLOW), z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
        error: `expected ${ZONES_TO_ALLOW.join(', ')}, an address or a network`,
      }),
    )
    .max(ALLOWED_MAX)
    .default([...STANDARD]),
})
export type NetworkSpec = Readonly<z.output<typeof networkSpec>>

const V4_BITS = 32
const V6_BITS = 128
const HEXTET_BITS = 16n
const HEXTETS = 8

interface Address {
  readonly bits: typeof V4_BITS | typeof V6_BITS
  readonly value: bigint
}

interface Network extends Address {
  readonly prefix: number
}

const METADATA = [
  // AWS, Azure, Google, Oracle, DigitalOcean; AWS for containers; Alibaba; Oracle; Azure's wire.
  ...['169.254.169.254', '169.254.170.2', '169.254.170.23', '100.100.100.200', '192.0.0.192'],
  ...['168.63.129.16', 'fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254'],
].map(networkOf)
const METADATA_NAMES = new Set([
  ...['metadata', 'metadata.google.internal', 'metadata.goog', 'instance-data'],
  ...['instance-data.ec2.internal', 'metadata.tencentyun.com', 'metadata.azure.internal'],
])
/** The first that holds an address says its zone; what none holds is public. */
const ZONES: readonly (readonly [Zone, readonly Network[]])[] = [
  ['loopback', ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128'].map(networkOf)],
  ['link-local', ['169.254.0.0/16', 'fe80::/10'].map(networkOf)],
  [
    'private',
    [
      ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15'],
      ...['192.0.0.0/24', 'fc00::/7', 'fec0::/10'],
    ].map(networkOf),
  ],
  ['reserved', ['224.0.0.0/4', '240.0.0.0/4', 'ff00::/8'].map(networkOf)],
]
/** An address of IPv4 at the end: mapped, translated, by NAT64 (also a local one), and of old. */
const EMBEDDED = [
  ...['::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '::/96'],
].map(networkOf)
const SIX_TO_FOUR = networkOf('2002::/16')
const SIX_TO_FOUR_SHIFT = 80n
const V4_MASK = 0xffff_ffffn

/** Null: it is no address. One of IPv6 that stands for one of IPv4 is that one. */
function addressOf(text: string): Address | null {
  const [bare = ''] = text.replace(/^\[|\]$/g, '').split('%')
  const v4 = v4Of(bare)
  if (v4 !== null) return { bits: V4_BITS, value: v4 }
  const v6 = v6Of(bare)
  return v6 === null ? null : unwrapped({ bits: V6_BITS, value: v6 })
}

function unwrapped(address: Address): Address {
  const { value } = address
  // The unspecified address and loopback are no embedded ones.
  if (value <= 1n) return address
  if (EMBEDDED.some((network) => holds(network, address))) {
    return { bits: V4_BITS, value: value & V4_MASK }
  }
  if (!holds(SIX_TO_FOUR, address)) return address
  return { bits: V4_BITS, value: (value >> SIX_TO_FOUR_SHIFT) & V4_MASK }
}

function v4Of(text: string): bigint | null {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return null
  const octets = text.split('.').map(Number)
  if (octets.some((octet) => octet > 255)) return null
  return octets.reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
}

function v6Of(text: string): bigint | null {
  const tail = /(?<=:)\d+\.\d+\.\d+\.\d+$/.exec(text)?.[0]
  const v4 = tail === undefined ? null : v4Of(tail)
  const hex = (n: bigint) => n.toString(16)
  const plain =
    tail === undefined || v4 === null
      ? text
      : text.slice(0, -tail.length) + `${hex(v4 >> HEXTET_BITS)}:${hex(v4 & 0xffffn)}`
  const halves = plain.split('::')
  if (halves.length > 2 || !plain.includes(':')) return null
  const [before = [], after = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = HEXTETS - before.length - after.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return groups.reduce((sum, group) => (sum << HEXTET_BITS) | BigInt(`0x${group}`), 0n)
}

/** Of an address or network that is one: those here are, and a spec's are parsed. */
function networkOf(text: string): Network {
  const [address = '', prefix] = text.split('/')
  const v4 = v4Of(address)
  const bits = v4 === null ? V6_BITS : V4_BITS
  const value = v4 ?? v6Of(address)
  if (value === null) throw new Error(`${text} is no network`)
  return { bits, value, prefix: prefix === undefined ? bits : Number(prefix) }
}

function holds(network: Network, address: Address): boolean {
  if (network.bits !== address.bits) return false
  const shift = BigInt(network.bits - network.prefix)
  return network.value >> shift === address.value >> shift
}

/** The zone of an address, however it is written; undefined: it is no address but a name. */
export function zoneOf(text: string): Zone | undefined {
  const address = addressOf(text)
  return address ? zoneOfAddress(address) : undefined
}

function zoneOfAddress(address: Address): Zone {
  if (METADATA.some((one) => holds(one, address))) return 'metadata'
  return ZONES.find(([, networks]) => networks.some((one) => holds(one, address)))?.[0] ?? 'public'
}

/** Whether a connection to an address may be made. What is no address may not be connected to. */
export function isAllowedAddress(text: string, { allow }: NetworkSpec): boolean {
  const address = addressOf(text)
  if (!address) return false
  const zone = zoneOfAddress(address)
  if ((allow as readonly string[]).includes(zone)) return true
  return allow.some((one) => {
    if ((ZONES_TO_ALLOW as readonly string[]).includes(one)) return false
    const network = networkOf(one)
    const isOne = network.prefix === network.bits
    const itself = isOne ? unwrapNetwork(network) : network
    return holds(itself, address) && (zone !== 'metadata' || isOne)
  })
}

/**
 * Whether an entry of `allow` is a network of IPv6 whose addresses all stand for ones of IPv4: as
 * those are what is looked at, it lets nothing through. A single address is unwrapped itself.
 */
export function letsNothingThrough(one: string): boolean {
  if (!one.includes('/') || (ZONES_TO_ALLOW as readonly string[]).includes(one)) return false
  const network = networkOf(one)
  if (network.bits !== V6_BITS || network.prefix === network.bits) return false
  // Loopback and the unspecified address are what they are.
  if (holds(network, LOOPBACK)) return false
  return [...EMBEDDED, SIX_TO_FOUR].some(
    (range) => network.prefix >= range.prefix && holds(range, network),
  )
}
const LOOPBACK = networkOf('::1')

/** A single address that is written as one of IPv6 and stands for one of IPv4. */
function unwrapNetwork(network: Network): Network {
  const { bits, value } = network.bits === V6_BITS ? unwrapped(network) : network
  return { bits, value, prefix: bits }
}

/**
 * Why a backend may not have this host, as it stands in its url; undefined where nothing speaks
 * against it. A name may: what it means is looked at when a connection is made.
 */
export function hostProblem(hostname: string, network: NetworkSpec): string | undefined {
  const zone = zoneOf(hostname)
  if (zone !== undefined) {
    if (isAllowedAddress(hostname, network)) return undefined
    return `the address ${hostname} is ${zone}, which settings.network.allow does not let through`
  }
  const name = hostname.toLowerCase().replace(/\.$/, '')
  if (METADATA_NAMES.has(name)) return `${hostname} is where a cloud hands out credentials`
  const isLoopback = name === 'localhost' || name.endsWith('.localhost')
  if (!isLoopback || network.allow.includes('loopback')) return undefined
  return `${hostname} is loopback, which settings.network.allow does not let through`
}
