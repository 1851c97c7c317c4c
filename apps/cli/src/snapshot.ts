import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import {
  chunkFile,
  CHUNKS_FOLDER,
  decodeManifest,
  type Manifest,
  MANIFEST_FILE,
} from '@signalbox/model'
import { type AdminClient } from './client.ts'
import { type Context } from './context.ts'
import { EXIT, Failure, failed } from './failure.ts'
import { alone } from './folder-lock.ts'

/** Credentials are in it, sealed. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/** A chunk that was replaced while it was fetched: then all is fetched of a newer snapshot. */
const TRIES = 3
/** What was broken off half-written among them. */
const MADE_HERE = /^[0-9a-f]{64}\.gz(\.partial)?$/

interface Offered {
  readonly revision: number
  readonly epoch: number
  readonly lineage: string
  readonly manifest: { readonly text: string; readonly signature: string }
}

interface Written {
  readonly chunks: number
  readonly fetched: number
}

/**
 * A snapshot as files: chunks first, then the manifest by a rename, then what it does not name is
 * removed. So whoever reads the folder meanwhile finds one that is whole, or looks again. One at a
 * time writes a folder, and none puts an older snapshot of the same log there.
 */
export async function exportSnapshot(context: Context, folder: string): Promise<void> {
  const dir = resolve(context.io.cwd, folder)
  const client = await context.client()
  const offered = await client.get<Offered>('snapshot')
  await orFailed(folder, mkdir(dir, { recursive: true, mode: FOLDER_MODE }))
  await orFailed(
    folder,
    alone(dir, () => exportInto({ context, client, folder, dir }, offered)),
  )
}

interface Exporting {
  readonly context: Context
  readonly client: AdminClient
  /** As the caller wrote it. */
  readonly folder: string
  readonly dir: string
}

async function exportInto(
  { context, client, folder, dir }: Exporting,
  first: Offered,
): Promise<void> {
  let offered = first
  let written: Written | null = null
  for (let tries = 1; written === null; tries++) {
    written = await write(client, dir, offered)
    if (written) break
    if (tries === TRIES) throw failed('the snapshot was replaced again and again while it came')
    offered = await client.get<Offered>('snapshot')
  }
  const { revision, epoch, lineage } = offered
  if (context.json) return context.printJson({ revision, epoch, lineage, ...written })
  const { chunks, fetched } = written
  const parts = chunks === 1 ? '1 chunk' : `${chunks} chunks`
  await context.print(`${folder}: revision ${revision}, ${parts}, ${fetched} of them new`)
}

/** null where a chunk is no longer there. */
async function write(
  client: AdminClient,
  dir: string,
  { manifest: signed }: Offered,
): Promise<Written | null> {
  const manifest = decodeManifest(signed.text)
  if (!manifest.ok) throw failed(`the server's snapshot cannot be read: ${manifest.error}`)
  await refuseOlder(dir, manifest.value)
  const folder = join(dir, CHUNKS_FOLDER)
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  let fetched = 0
  for (const { hash } of manifest.value.chunks) {
    const path = join(folder, chunkFile(hash))
    if (holds(await readFile(path).catch(() => null), hash)) continue
    const data = await fetchChunk(client, hash)
    if (!data) return null
    if (!holds(data, hash)) throw failed(`chunk ${hash} is not what its hash says`)
    await replace(path, data)
    fetched++
  }
  await replace(join(dir, MANIFEST_FILE), `${JSON.stringify(signed)}\n`)
  await sweep(folder, manifest.value)
  return { chunks: manifest.value.chunks.length, fetched }
}

/** Throws where the folder has a later revision of the same log. */
async function refuseOlder(dir: string, { head: { lineage, epoch, revision } }: Manifest) {
  const text = await readFile(join(dir, MANIFEST_FILE), 'utf8').catch(() => '')
  const there = decodeManifest(textOf(text))
  if (!there.ok || there.value.head.lineage !== lineage || there.value.head.epoch !== epoch) return
  const { revision: newer } = there.value.head
  if (newer > revision) throw failed(`revision ${newer} is there, which is newer than ${revision}`)
}

function textOf(signed: string): string {
  try {
    return String((JSON.parse(signed) as { readonly text?: unknown } | null)?.text)
  } catch {
    return ''
  }
}

async function fetchChunk(client: AdminClient, hash: string): Promise<Buffer | null> {
  try {
    const response = await client.stream(`snapshot/chunks/${hash}`)
    return Buffer.from(await response.arrayBuffer())
  } catch (error) {
    if (error instanceof Failure && error.facts.code === 'not_found') return null
    if (error instanceof Failure) throw error
    const detail = 'the snapshot broke off; the one that was there is left as it was'
    throw new Failure({ exitCode: EXIT.unreachable, code: 'unreachable', detail })
  }
}

function holds(data: Buffer | null, hash: string): boolean {
  if (!data) return false
  try {
    return createHash('sha256').update(gunzipSync(data)).digest('hex') === hash
  } catch {
    return false
  }
}

/** Whole or not at all. */
async function replace(path: string, data: string | Buffer): Promise<void> {
  const partial = `${path}.partial`
  await writeFile(partial, data, { mode: FILE_MODE, flush: true })
  await rename(partial, path)
}

async function sweep(folder: string, { chunks }: Manifest): Promise<void> {
  const named = new Set(chunks.map(({ hash }) => chunkFile(hash)))
  for (const name of await readdir(folder)) {
    if (MADE_HERE.test(name) && !named.has(name)) await rm(join(folder, name), { force: true })
  }
}

async function orFailed<Value>(folder: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw failed(`the snapshot is not written to ${folder} (${code})`)
  }
}
