import { readFileSync } from 'node:fs'
import { credsAuthenticator, type NodeConnectionOptions } from '@nats-io/transport-node'
import { ConfigError, type Variable } from '@signalbox/host'
import {
  NATS_CA_FILE,
  NATS_CERT_FILE,
  NATS_CREDENTIALS_FILE,
  NATS_KEY_FILE,
  type NatsOptions,
} from './options.ts'

/** Where and as whom to connect. A file that cannot be read stops the start. */
export function connectionOptions(options: NatsOptions): NodeConnectionOptions {
  const urls = options.url.split(',').map((text) => new URL(text.trim()))
  const tls = tlsOptions(options, urls)
  return {
    servers: urls.map(({ host }) => host),
    ...credentials(options, urls[0]),
    ...(tls ? { tls } : {}),
  }
}

function credentials(
  { credentialsFile }: NatsOptions,
  url: URL | undefined,
): NodeConnectionOptions {
  if (credentialsFile !== undefined) {
    return { authenticator: credsAuthenticator(read(NATS_CREDENTIALS_FILE, credentialsFile)) }
  }
  const user = decodeURIComponent(url?.username ?? '')
  const pass = decodeURIComponent(url?.password ?? '')
  if (user === '') return {}
  return pass === '' ? { token: user } : { user, pass }
}

function tlsOptions(
  { caFile, certFile, keyFile }: NatsOptions,
  urls: readonly URL[],
): NodeConnectionOptions['tls'] {
  const asked = caFile ?? certFile ?? keyFile
  if (asked === undefined && !urls.some(({ protocol }) => protocol === 'tls:')) return undefined
  return {
    ...(caFile === undefined ? {} : { ca: read(NATS_CA_FILE, caFile).toString() }),
    ...(certFile === undefined ? {} : { cert: read(NATS_CERT_FILE, certFile).toString() }),
    ...(keyFile === undefined ? {} : { key: read(NATS_KEY_FILE, keyFile).toString() }),
  }
}

function read(variable: Variable<string>, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ConfigError(`${variable.name}: cannot read ${path} (${code ?? message})`)
  }
}
