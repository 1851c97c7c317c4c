import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chunkFile, CHUNKS_FOLDER, MANIFEST_FILE, type Snapshot } from '@signalbox/model'
import { type Sign, signManifest } from './manifest.ts'
import { chunked, sign } from './snapshot.harness.ts'

/** Puts a snapshot into a folder as `signalbox snapshot export` does. */
export async function writeFolder(
  dir: string,
  snapshot: Snapshot,
  { signed = sign, without = false }: { signed?: Sign; without?: boolean } = {},
): Promise<void> {
  const { manifest, chunks } = await chunked(snapshot)
  mkdirSync(join(dir, CHUNKS_FOLDER), { recursive: true })
  for (const { hash, data } of chunks) {
    const path = join(dir, CHUNKS_FOLDER, chunkFile(hash))
    if (without) rmSync(path, { force: true })
    else writeFileSync(path, data)
  }
  writeFileSync(join(dir, MANIFEST_FILE), JSON.stringify(signManifest(manifest, signed)))
}
