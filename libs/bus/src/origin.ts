import { type Manifest, type Snapshot } from '@signalbox/model'
import { type ChunkSource } from './read-snapshot.ts'

/** The chunks that a snapshot was read from: whoever keeps it need not make them again. */
export interface Origin {
  readonly manifest: Manifest
  readonly sources: readonly ChunkSource[]
}

const origins = new WeakMap<Snapshot, Origin>()

export function originate(snapshot: Snapshot, origin: Origin): void {
  origins.set(snapshot, origin)
}

export function originOfSnapshot(snapshot: Snapshot): Origin | undefined {
  return origins.get(snapshot)
}
