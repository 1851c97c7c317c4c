import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib'
import { err, ok, type Result } from '@signalbox/model'
import { CHUNK_BYTES_MAX, type StoredChunk } from './bus.ts'

/** What takes less than a millisecond is not worth a thread. */
const AT_ONCE_BYTES = 16 * 1024
/** A chunk that unpacks to more is not one of ours. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024

/** What gzip ends with: the length of the text. */
const SIZE_BYTES = 4
const PIECE_BYTES_MIN = 64
const PIECE_BYTES_MAX = 1024 * 1024

const pack = promisify(gzip)
const unpack = promisify(gunzip)

/** A chunk's text as it is stored. Throws where it is larger than a message may be: a bug. */
export async function packChunk(text: string): Promise<StoredChunk> {
  const bytes = Buffer.from(text, 'utf8')
  const data = bytes.length < AT_ONCE_BYTES ? gzipSync(bytes) : await pack(bytes)
  if (data.length > CHUNK_BYTES_MAX) throw new Error(`a chunk has ${data.length} bytes`)
  const hash = hashOf(bytes)
  releaseText(bytes)
  return { hash, data }
}

/** The text (UTF-8) whose hash is asked for; a sentence where this is not it. */
export async function unpackChunk({ hash, data }: StoredChunk): Promise<Result<Buffer, string>> {
  const options = { maxOutputLength: TEXT_BYTES_MAX, chunkSize: textBytes(data) }
  try {
    const bytes =
      data.length < AT_ONCE_BYTES / 8 ? gunzipSync(data, options) : await unpack(data, options)
    return hashOf(bytes) === hash ? ok(bytes) : err('its hash does not hold')
  } catch {
    return err('it cannot be unpacked')
  }
}

/**
 * How long a text says it is, at the end of its gzip: so it is unpacked in one go. What is not true
 * costs time alone.
 */
function textBytes(data: Uint8Array): number {
  const { byteLength: length } = data
  if (length < SIZE_BYTES) return PIECE_BYTES_MIN
  const said = new DataView(data.buffer, data.byteOffset + length - SIZE_BYTES).getUint32(0, true)
  return Math.min(PIECE_BYTES_MAX, Math.max(PIECE_BYTES_MIN, said + 1))
}

/**
 * Gives back at once what a text that nobody reads any more takes. Left to the garbage collection,
 * the texts of a large snapshot are a hundred megabytes before it looks.
 */
export function releaseText({ buffer, length }: Buffer): void {
  // Not where it lies among others' bytes.
  const own = buffer.byteLength > 2 * Buffer.poolSize && 2 * length > buffer.byteLength
  if (own && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** The text of a chunk that was unpacked before. Throws where it cannot be: memory is damaged. */
export function unpackKnown(data: Uint8Array): string {
  return gunzipSync(data, { maxOutputLength: TEXT_BYTES_MAX }).toString('utf8')
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
