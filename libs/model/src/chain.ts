import { type RevisionMessage } from './event.ts'

/** SHA-256 of bytes, as bytes. Handed in, so that this room stays free of Node modules. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

interface Link {
  readonly previousHash: string
  readonly epoch: number
  readonly revision: number
  readonly body: string
}

const LEAF = 0
const NODE = 1
const utf8 = new TextEncoder()

/**
 * The hash chain of the log: leaf = sha256(0x00 | body), hash = sha256(0x01 | previous | epoch |
 * revision | leaf), epoch and revision as signed 64-bit big-endian (Postgres' int8send). The two
 * prefixes keep a leaf from ever passing as a node (RFC 6962, section 2.1).
 */
export function chainHash(link: Link, sha256: Sha256): string {
  const leaf = sha256(concat([Uint8Array.of(LEAF), utf8.encode(link.body)]))
  const bytes = [
    Uint8Array.of(NODE),
    fromHex(link.previousHash),
    int8(link.epoch),
    int8(link.revision),
    leaf,
  ]
  return toHex(sha256(concat(bytes)))
}

/** Whether a message's hash is the one that its contents give. */
export function hashHolds(message: RevisionMessage, sha256: Sha256): boolean {
  return chainHash(message, sha256) === message.hash
}

function int8(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value))
  return bytes
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}

export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16)
  return bytes
}
