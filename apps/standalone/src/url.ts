import { type ListenAddress, showListen } from '@signalbox/host'

/** Where a client on this machine reaches a listener; one on every address, on loopback. */
export function urlOf(address: ListenAddress): string {
  if (address.kind === 'unix') return showListen(address)
  const { host } = address
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${showListen({ ...address, host: reached })}`
}
