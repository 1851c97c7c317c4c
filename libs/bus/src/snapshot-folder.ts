import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Env, nonEmpty, readVariable, type Variable } from '@signalbox/host'
import { chunkFile, CHUNKS_FOLDER, MANIFEST_FILE, MANIFEST_TEXT_BYTES_MAX } from '@signalbox/model'
import { type Bus, CHUNK_BYTES_MAX, type SignedManifest } from './bus.ts'

/** What yields a snapshot: a manifest, and the chunks that it names. */
export type SnapshotSource = Pick<Bus, 'latestManifest' | 'snapshotChunk'>

export const SNAPSHOT_DIR: Variable<string> = {
  name: 'SIGNALBOX_SNAPSHOT_DIR',
  shape: 'a folder that `signalbox snapshot export` wrote',
  parse: nonEmpty,
}

/** The folder that a member may start from; undefined where none is named. */
export function readSnapshotFolder(env: Env): SnapshotSource | undefined {
  const dir = readVariable(env, SNAPSHOT_DIR)
  return dir === undefined ? undefined : openSnapshotFolder(dir)
}

/**
 * A snapshot that somebody carried here, as `signalbox snapshot export` writes it. Whoever may
 * write the folder cannot make one up: the manifest is signed, a chunk has its hash. An older one
 * they can put there, which a member that has nothing else takes. Rejects where it cannot be read,
 * with a sentence that names the file.
 */
export function openSnapshotFolder(dir: string): SnapshotSource {
  return {
    latestManifest: async () => {
      const path = join(dir, MANIFEST_FILE)
      const bytes = await readAtMost(path, MANIFEST_TEXT_BYTES_MAX)
      return bytes && readSigned(path, bytes.toString('utf8'))
    },
    snapshotChunk: (hash) => readAtMost(join(dir, CHUNKS_FOLDER, chunkFile(hash)), CHUNK_BYTES_MAX),
  }
}

function readSigned(path: string, text: string): SignedManifest {
  const read = parsed(text)
  if (typeof read?.text !== 'string' || typeof read.signature !== 'string') {
    throw new Error(`${path} is no manifest`)
  }
  return { text: read.text, signature: read.signature }
}

function parsed(text: string): Partial<SignedManifest> | null {
  try {
    return JSON.parse(text) as Partial<SignedManifest> | null
  } catch {
    return null
  }
}

/**
 * null where there is no such file. Whoever may write the folder could put anything there: a device
 * without an end, a pipe at which nobody writes, a file that grows.
 */
async function readAtMost(path: string, bytesMax: number): Promise<Buffer | null> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new Error(`${path} cannot be read (${code})`, { cause: error })
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Error(`${path} is no file`)
    if (stat.size > bytesMax) throw new Error(`${path} has ${stat.size} bytes, over ${bytesMax}`)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(stat.size), 0, stat.size, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
