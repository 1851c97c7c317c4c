import { type Env, nonEmpty, readVariable, type Variable, wholeNumber } from '@signalbox/host'

export interface NatsOptions {
  /** nats://, or tls:// to insist on TLS; with user:password@ or token@; several by commas. */
  readonly url: string
  /** A .creds file, as nsc writes it. */
  readonly credentialsFile?: string | undefined
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** Copies of the stream in a cluster of brokers: 1. */
  readonly replicas?: number | undefined
}

const SCHEMES = ['nats:', 'tls:']
const REPLICAS_MAX = 5

export const NATS_URL: Variable<string> = {
  name: 'SIGNALBOX_NATS_URL',
  shape: 'nats://host:port or tls://host:port, with user:password@ or token@; several by commas',
  parse: (text) => (text.split(',').every(isUrl) ? text : undefined),
  secret: true,
}
const file = (name: string, what: string): Variable<string> => ({
  name,
  shape: `the path of ${what}`,
  parse: nonEmpty,
})
export const NATS_CREDENTIALS_FILE = file('SIGNALBOX_NATS_CREDENTIALS_FILE', 'a NATS .creds file')
export const NATS_CA_FILE = file('SIGNALBOX_NATS_CA_FILE', 'the CA certificates (PEM) of NATS')
export const NATS_CERT_FILE = file('SIGNALBOX_NATS_CERT_FILE', 'a client certificate (PEM)')
export const NATS_KEY_FILE = file('SIGNALBOX_NATS_KEY_FILE', "the client certificate's key (PEM)")
export const NATS_REPLICAS: Variable<number> = {
  name: 'SIGNALBOX_NATS_REPLICAS',
  shape: `a number from 1 to ${REPLICAS_MAX}: copies of the stream in a cluster`,
  parse: wholeNumber({ min: 1, max: REPLICAS_MAX }),
}

/** How to reach NATS; undefined where SIGNALBOX_NATS_URL is unset. */
export function readNatsOptions(env: Env): NatsOptions | undefined {
  const url = readVariable(env, NATS_URL)
  if (url === undefined) return undefined
  return {
    url,
    credentialsFile: readVariable(env, NATS_CREDENTIALS_FILE),
    caFile: readVariable(env, NATS_CA_FILE),
    certFile: readVariable(env, NATS_CERT_FILE),
    keyFile: readVariable(env, NATS_KEY_FILE),
    replicas: readVariable(env, NATS_REPLICAS),
  }
}

function isUrl(text: string): boolean {
  if (!URL.canParse(text.trim())) return false
  const { protocol, hostname, pathname, search } = new URL(text.trim())
  return SCHEMES.includes(protocol) && hostname !== '' && pathname.length <= 1 && search === ''
}
