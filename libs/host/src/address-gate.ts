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
  /** Of an address that is written out and refused. */
  readonly refusal: AddressRefused | undefined
}

/** `hostname` as the URL has it. `resolve` is the system's unless a test says otherwise. */
export function openGate(
  hostname: string,
  may: MayConnect,
  resolve: typeof systemLookup = systemLookup,
): AddressGate {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return {
    lookup: lookupWithin(may, resolve),
    refusal: isIP(bare) > 0 && !may(bare) ? new AddressRefused(bare) : undefined,
  }
}

function lookupWithin(may: MayConnect, resolve: typeof systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const good = found.filter(({ address }) => may(address))
      const [first] = good
      if (!first) return callback(new AddressRefused(hostname), [])
      if (options.all) callback(null, good)
      else callback(null, first.address, first.family)
    })
  }
}
