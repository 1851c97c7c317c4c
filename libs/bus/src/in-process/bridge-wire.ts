import { type UsageBatch } from '../bus.ts'

/* What travels between a parent and a child: JSON, with a member `bus` that tells it from more. */

export type Call =
  | 'openStream'
  | 'publishRevision'
  | 'publishChunk'
  | 'publishManifest'
  | 'revisions'
  | 'latestManifest'
  | 'snapshotChunk'
  | 'deliverUsage'
export type Heard = 'revision' | 'beacon' | 'heartbeat' | 'status' | 'leases' | 'spending' | 'asked'
export type Sent = Exclude<Heard, 'revision'>

export type ToParent =
  | { readonly bus: 'hello' | 'bye' }
  | { readonly bus: 'hear'; readonly lane: Heard; readonly on: boolean }
  | { readonly bus: 'send'; readonly lane: Sent; readonly value?: unknown }
  | { readonly bus: 'ask'; readonly id: number; readonly call: Call; readonly value?: unknown }
  | { readonly bus: 'stores'; readonly on: boolean }
  | { readonly bus: 'stored'; readonly id: number; readonly ok: boolean }

export type ToChild =
  | { readonly bus: 'connected'; readonly connected: boolean }
  | { readonly bus: 'event'; readonly lane: Heard; readonly value?: unknown }
  | { readonly bus: 'answer'; readonly id: number; readonly value?: unknown }
  | { readonly bus: 'store'; readonly id: number; readonly value: UsageBatch }
  | {
      readonly bus: 'refuse'
      readonly id: number
      readonly message: string
      /** BusUnavailable; otherwise a bug. */
      readonly unavailable: boolean
    }

/** What travels is JSON: bytes go as base64. */
export interface ChunkOnWire {
  readonly hash: string
  readonly data: string
}

export function toWire(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
}

export function fromWire(text: string): Uint8Array {
  return Buffer.from(text, 'base64')
}
