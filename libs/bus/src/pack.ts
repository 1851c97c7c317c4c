import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib'
import { err, ok, type Result } from '@signalbox/model'
import { CHUNK_BYTES_MAX, type StoredChunk } from './bus.ts'

/** What takes less than a millisecond is not worth a thread. */
const AT_ONCE_BYTES = 16 * 1024
/** A chunk that unpacks to more is not one of ours. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024

const pack = promisify(gzip)
const unpack = promisify(gunzip)

/** A chunk's text as it is stored. Throws where it is larger than a message may be: a bug. */
export async function packChunk(text: string): Promise<StoredChunk> {
  const bytes = Buffer.from(text, 'utf8')
  const data = bytes.length < AT_ONCE_BYTES ? gzipSync(bytes) : await pack(bytes)
  if (data.length > CHUNK_BYTES_MAX) throw new Error(`a chunk has ${data.length} bytes`)
  return { hash: hashOf(bytes), data }
}

/** The text whose hash is asked for; a sentence where this is not it. */
export async function unpackChunk({ hash, data }: StoredChunk): Promise<Result<string, string>> {
  const options = { maxOutputLength: TEXT_BYTES_MAX }
  try {
    const bytes =
      data.length < AT_ONCE_BYTES / 8 ? gunzipSync(data, options) : await unpack(data, options)
    return hashOf(bytes) === hash ? ok(bytes.toString('utf8')) : err('its hash does not hold')
  } catch {
    return err('it cannot be unpacked')
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
