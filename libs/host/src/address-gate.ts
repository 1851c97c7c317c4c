import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'

/** Of an error that ends a connection before it is made. */
export const ADDRESS_REFUSED = 'ADDRESS_REFUSED'

/** No address of a host may be connected to. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
  readonly code = ADDRESS_REFUSED

  constructor(hostname: string) {
    super(`no address of ${hostname} may be connected to`)
  }
}

export type MayConnect = (address: string) => boolean

/**
 * What stands between a host and a connection to it. A name is looked up once a connection, and the
 * very addresses that were looked at are those that are connected to: whoever answers the next
 * question otherwise (DNS rebinding) gains nothing.
 */
export interface AddressGate {
  /** For `net.connect`, which does not ask it about an address that is written out. */
  readonly lookup: LookupFunction
  /**
   * Of an address that is written out and may not be now, or of a name where one of the addresses
   * that were found for it may no longer be: a connection to it may still be kept.
   */
  readonly refusal: AddressRefused | undefined
}

/** How many addresses of a name are kept in mind; those that were found first are forgotten. */
const FOUND_MAX = 256

/**
 * `hostname` as the URL has it. `may` may change its mind. `resolve` is the system's unless a test
 * says otherwise.
 */
export function openGate(
  hostname: string,
  may: MayConnect,
  resolve: typeof systemLookup = systemLookup,
): AddressGate {
  const bare = hostname.replace(/^\[|\]$/g, '')
  const known = new Set(isIP(bare) > 0 ? [bare] : [])
  const find = (address: string) => {
    if (known.size >= FOUND_MAX && !known.has(address)) known.delete([...known][0] ?? '')
    known.add(address)
  }
  return {
    lookup: lookupWithin(may, resolve, find),
    get refusal() {
      return [...known].every(may) ? undefined : new AddressRefused(bare)
    },
  }
}

function lookupWithin(
  may: MayConnect,
  resolve: typeof systemLookup,
  find: (address: string) => void,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const good = found.filter(({ address }) => may(address))
      const [first] = good
      if (!first) return callback(new AddressRefused(hostname), [])
      for (const { address } of good) find(address)
      if (options.all) callback(null, good)
      else callback(null, first.address, first.family)
    })
  }
}
