import { type Server } from 'node:net'
import { ConfigError, type Parse } from './env.ts'

/** An address on which a process accepts clients. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export const LISTEN_SHAPE = 'host:port (such as 127.0.0.1:8080 or [::1]:8080) or unix:/path'
const PORT_MAX = 65_535

export const parseListen: Parse<ListenAddress> = (text) => {
  if (text.startsWith('unix:/')) return { kind: 'unix', path: text.slice('unix:'.length) }
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > PORT_MAX) return undefined
  return { kind: 'tcp', host: match[1] ?? (match[2] || '0.0.0.0'), port }
}

/** Several addresses, separated by commas. */
export const parseListenList: Parse<readonly ListenAddress[]> = (text) => {
  const all = text.split(',').map((part) => parseListen(part.trim()))
  return all.every((address) => address !== undefined) ? all : undefined
}

export function showListen(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

/** Starts to listen; answers the address with the port that was really taken (port 0). */
export function listen(
  server: Server,
  address: ListenAddress,
  variable: string,
): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(listenError(error, { address, variable })),
    )
    const target =
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
    server.listen(target, () => {
      const bound = server.address()
      const taken = typeof bound === 'object' && bound !== null ? bound.port : undefined
      resolve(address.kind === 'tcp' && taken !== undefined ? { ...address, port: taken } : address)
    })
  })
}

/** One line that names the address and the variable. */
export function listenError(
  error: NodeJS.ErrnoException,
  { address, variable }: { address: ListenAddress; variable: string },
): Error {
  const where = showListen(address)
  if (error.code === 'EADDRINUSE') {
    return new ConfigError(
      `${where} is in use by another process; stop it, or set ${variable} to another address`,
    )
  }
  if (error.code === 'EACCES') {
    // A path in a folder that does not exist is told as this, too (libuv).
    const better =
      address.kind === 'unix' ? 'a path in a folder that it may write' : 'a port above 1023'
    return new ConfigError(`${where} may not be used by this user; set ${variable} to ${better}`)
  }
  return new ConfigError(
    `cannot listen on ${where} (${error.code ?? error.message}); set ${variable} to another`,
  )
}
