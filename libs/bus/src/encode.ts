import { gunzipSync, gzipSync } from 'node:zlib'
import { REVISION_BYTES_MAX, REVISION_TEXT_BYTES_MAX } from './bus.ts'

/** Below this a body travels as it is: most do, and anybody can read them. */
const PLAIN_BYTES_MAX = 32 * 1024

export interface Encoded {
  readonly data: Uint8Array
  readonly gzip: boolean
}

/** A revision's body as it travels. Specs repeat each other: gzip makes a tenth of many. */
export function encodeBody(text: string): Encoded {
  const plain = Buffer.from(text, 'utf8')
  return plain.length <= PLAIN_BYTES_MAX
    ? { data: plain, gzip: false }
    : { data: gzipSync(plain), gzip: true }
}

/** What encodeBody() made, as bytes of UTF-8; undefined where it is none, or too large. */
export function decodeBody({ data, gzip }: Encoded): Uint8Array | undefined {
  if (data.length > REVISION_BYTES_MAX) return undefined
  if (!gzip) return data
  try {
    return gunzipSync(data, { maxOutputLength: REVISION_TEXT_BYTES_MAX })
  } catch {
    return undefined
  }
}

/** Why a body cannot travel; undefined where it can. */
export function sizeProblem(text: string): string | undefined {
  const bytes = Buffer.byteLength(text)
  if (bytes <= PLAIN_BYTES_MAX) return undefined
  if (bytes > REVISION_TEXT_BYTES_MAX) return `${bytes} bytes, over ${REVISION_TEXT_BYTES_MAX}`
  const { length } = encodeBody(text).data
  if (length <= REVISION_BYTES_MAX) return undefined
  return `${length} bytes when compressed, over ${REVISION_BYTES_MAX}`
}
