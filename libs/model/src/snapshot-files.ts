/** How a snapshot lies in a folder: who writes it and who starts from it agree on these names. */

/** JSON of {text, signature}: encodeManifest()'s text, and the fleet's word for it. */
export const MANIFEST_FILE = 'manifest.json'
export const CHUNKS_FOLDER = 'chunks'

/** Below CHUNKS_FOLDER: a chunk under the hash of its text, gzipped as it is on the bus. */
export function chunkFile(hash: string): string {
  return `${hash}.gz`
}

/** Text of a manifest at most: a larger one is none of ours. */
export const MANIFEST_TEXT_BYTES_MAX = 64 * 1024 * 1024
