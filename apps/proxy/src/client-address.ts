import { BlockList, isIP, isIPv6 } from 'node:net'
import { type IncomingMessage } from 'node:http'

/** Addresses of x-forwarded-for that are looked at. */
const HOPS_MAX = 32
/** One customer of IPv6 has a network of so many groups of 16 bits. */
const GROUPS_OF_NETWORK = 4
const GROUPS = 8
const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i

const lists = new WeakMap<readonly string[], BlockList>()

/**
 * Who asks, by address: the peer of the connection, or where that is a proxy whose word is taken,
 * the last address of x-forwarded-for that is none. IPv6 is cut to its /64. Undefined where nobody
 * knows: over a Unix socket without a word of who it was.
 */
export function clientAddress(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  trusted: readonly string[],
): string | undefined {
  const peer = socket.remoteAddress?.replace(MAPPED, '')
  if (trusted.length === 0) return peer && networkOf(peer)
  const list = lists.get(trusted) ?? listOf(trusted)
  lists.set(trusted, list)
  // Who reaches a Unix socket is on this machine.
  if (peer !== undefined && !isTrusted(list, peer)) return networkOf(peer)
  const hops = String(headers['x-forwarded-for'] ?? '').split(',')
  let last = peer
  for (const hop of hops.slice(-HOPS_MAX).reverse()) {
    const address = hop.trim().replace(MAPPED, '')
    // What is behind something that is no address was written by anybody.
    if (isIP(address) === 0) break
    last = address
    if (!isTrusted(list, address)) break
  }
  return last && networkOf(last)
}

function listOf(trusted: readonly string[]): BlockList {
  const list = new BlockList()
  for (const one of trusted) {
    const [address = '', prefix] = one.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}

function isTrusted(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** An IPv4 address as it is; the /64 of one of IPv6, written in one way. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const missing = tail === undefined ? 0 : Math.max(0, GROUPS - before.length - after.length)
  const all = [...before, ...Array.from({ length: missing }, () => '0'), ...after]
  const groups = all.slice(0, GROUPS_OF_NETWORK).map((one) => one.replace(/^0+(?=.)/, ''))
  return `${groups.join(':')}::/64`
}
