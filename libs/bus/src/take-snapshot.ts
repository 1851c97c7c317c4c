import { type Log } from '@signalbox/host'
import { type Snapshot } from '@signalbox/model'
import { type Bus, type SignedManifest } from './bus.ts'
import { openManifest, type Trusts } from './manifest.ts'
import { type ChunkSource, type Digests, readSnapshot } from './read-snapshot.ts'

export interface Taking {
  readonly bus: Pick<Bus, 'latestManifest' | 'snapshotChunk'>
  readonly trusts: Trusts
  readonly log: Log
  /** Looked at before the bus: what did not change is not fetched again. */
  readonly near?: ChunkSource | undefined
  readonly digests?: Digests | undefined
}

/** Who publishes may have put a newer one in its place while it was read. */
const TRIES = 3

/**
 * The newest snapshot on the bus; null where there is none, or none that may be used: the log says
 * why. Rejects with BusUnavailable while the bus cannot tell.
 */
export async function takeSnapshot(taking: Taking): Promise<Snapshot | null> {
  const { bus, log } = taking
  let problem = ''
  let before: SignedManifest | null = null
  for (let tries = 0; tries < TRIES; tries++) {
    const signed = await bus.latestManifest()
    // Read again it would be no better.
    if (!signed || signed.text === before?.text) break
    before = signed
    const read = await readOne(taking, signed)
    if (typeof read !== 'string') return read
    problem = read
  }
  if (problem !== '') log.warn({ problem }, 'the snapshot on the bus cannot be used')
  return null
}

/** The snapshot; a sentence where it cannot be used. */
async function readOne(
  { bus, trusts, near, digests }: Taking,
  signed: SignedManifest,
): Promise<Snapshot | string> {
  const manifest = openManifest(signed, trusts)
  if (!manifest.ok) return manifest.error
  const onBus = { name: 'the bus', chunk: (hash: string) => bus.snapshotChunk(hash) }
  const sources = near ? [near, onBus] : [onBus]
  const snapshot = await readSnapshot(manifest.value, { sources, digests })
  if (!snapshot.ok) return snapshot.error
  return snapshot.value
}
