import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import {
  decodeSnapshot,
  encodeSnapshot,
  err,
  ok,
  type Result,
  type Snapshot,
} from '@signalbox/model'
import { type Changed } from './follower-fold.ts'
import { type ChunkSource } from './read-snapshot.ts'

/** Keeps the last applied snapshot over restarts. Never throws: what is wrong comes as a value. */
export interface DiskCopy {
  load(): Promise<Loaded>
  /**
   * Resolves once the snapshot is durable. Calls must not overlap. `changed`: since the last one
   * that was saved, or loaded.
   */
  save(snapshot: Snapshot, changed: Changed): Promise<Result<void, string>>
  /** Chunks that lie here already, where it has any. */
  readonly chunks?: ChunkSource
}

export interface Loaded {
  readonly snapshot: Snapshot | null
  /** Why a generation was not used: for the log. */
  readonly problems: readonly string[]
}

interface Generation {
  readonly slot: Slot
  readonly number: number
  readonly snapshot: Snapshot
}

const SLOTS = ['a', 'b'] as const
type Slot = (typeof SLOTS)[number]
const MAGIC = 'signalbox-disk-copy-1'
const FILE_MODE = 0o600

/**
 * Two generations in `dir`, written in turn: whatever happens to the one that is being written, the
 * other stays whole. Each is one file: a line with a generation number and the SHA-256 of the rest,
 * then encodeSnapshot()'s text. Write, fsync, rename, fsync of the directory.
 */
export function openDiskCopy(dir: string): DiskCopy {
  let newest: { readonly slot: Slot; readonly number: number } | undefined
  return {
    load: async () => {
      const read = await Promise.all(SLOTS.map((slot) => readGeneration(dir, slot)))
      const whole = read.flatMap((one) => (one.ok && one.value ? [one.value] : []))
      const best = whole.reduce<Generation | undefined>(newer, undefined)
      newest = best
      const problems = read.flatMap((one) => (one.ok ? [] : [one.error]))
      return { snapshot: best?.snapshot ?? null, problems }
    },
    save: async (snapshot) => {
      const next = {
        slot: newest?.slot === 'a' ? 'b' : 'a',
        number: (newest?.number ?? 0) + 1,
      } as const
      try {
        await writeGeneration(dir, next, encodeSnapshot(snapshot))
        newest = next
        return ok(undefined)
      } catch (error) {
        return err(messageOf(error))
      }
    },
  }
}

/** For a member that may start without a configuration: nothing is kept, all counts as durable. */
export const noDisk: DiskCopy = {
  load: () => Promise.resolve({ snapshot: null, problems: [] }),
  save: () => Promise.resolve(ok(undefined)),
}

function newer(best: Generation | undefined, next: Generation): Generation {
  return best && best.number > next.number ? best : next
}

async function readGeneration(dir: string, slot: Slot): Promise<Result<Generation | null, string>> {
  const path = pathOf(dir, slot)
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return absent ? ok(null) : err(`${path}: ${messageOf(error)}`)
  }
  const end = bytes.indexOf('\n')
  const [magic, number, sum] = bytes.subarray(0, Math.max(0, end)).toString('latin1').split(' ')
  const body = bytes.subarray(end + 1)
  if (magic !== MAGIC || !/^\d{1,15}$/.test(number ?? '')) return err(`${path}: not a disk copy`)
  if (sum !== sumOf(body)) return err(`${path}: its checksum does not hold`)
  const decoded = decodeSnapshot(body.toString('utf8'))
  if (!decoded.ok) return err(`${path}: ${decoded.error}`)
  return ok({ slot, number: Number(number), snapshot: decoded.value })
}

async function writeGeneration(
  dir: string,
  { slot, number }: { readonly slot: Slot; readonly number: number },
  text: string,
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const body = Buffer.from(text, 'utf8')
  const head = Buffer.from(`${MAGIC} ${number} ${sumOf(body)}\n`, 'latin1')
  const temporary = join(dir, 'snapshot.tmp')
  const file = await open(temporary, 'w', FILE_MODE)
  try {
    await file.writev([head, body])
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, pathOf(dir, slot))
  await syncDirectory(dir)
}

/** Without it a rename may be lost with the power. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function pathOf(dir: string, slot: Slot): string {
  return join(dir, `snapshot-${slot}.json`)
}

function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function messageOf(error: unknown): string {
  return (error as Error | null)?.message ?? String(error)
}
