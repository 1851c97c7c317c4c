import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  collection,
  decodeSnapshot,
  encodeSnapshot,
  err,
  EVENT_SCHEMA,
  isHead,
  ok,
  type Resource,
  type ResourceName,
  RESOURCES,
  type Result,
  type Snapshot,
  snapshotFrom,
  upcastSpec,
  withChanges,
} from '@signalbox/model'
import { type BaseName, readBase, sweepBases, writeBase } from './disk-base.ts'
import { messageOf, sumOf, writeWhole } from './disk-file.ts'
import { type Changed, type ChangedResource } from './follower-fold.ts'
import { type ChunkSource, type Digests } from './read-snapshot.ts'

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

const SLOTS = ['a', 'b'] as const
type Slot = (typeof SLOTS)[number]

/** One whole snapshot in one text. */
const MAGIC = 'signalbox-disk-copy-1'
/** A base, and what has changed since. */
const MAGIC_OVER_BASE = 'signalbox-disk-copy-2'
/** More resources are written in pieces, once, and then only what changes. */
const WHOLE_MAX = 10_000
/** Changes over a base; after that many it is written anew. */
const CHANGES_MAX = 1_024
/** So many times as many lie over a base where no other one can be written. */
const CHANGES_TIMES_MAX = 16

/** What a generation says, before what it refers to is read. */
interface Generation {
  readonly slot: Slot
  readonly number: number
  readonly base: BaseName | null
  readonly changes: readonly ChangedResource[]
  readonly read: (digests: Digests) => Promise<Result<Snapshot, string>>
}

/** Where the newest generation lies, and what it lies over. */
interface Newest {
  readonly slot: Slot
  readonly number: number
  readonly base: BaseName | null
  readonly changes: readonly ChangedResource[]
}

/**
 * Two generations in `dir`, written in turn: whatever happens to the one that is being written, the
 * other stays whole. Each is one file: a line with a generation number and the SHA-256 of the rest,
 * then a text: encodeSnapshot()'s, or of a large snapshot which base (disk-base.ts) it lies over,
 * and what has changed since. Two generations may lie over one base, which never changes; where
 * that is damaged, both are, and the bus is asked.
 */
export function openDiskCopy(dir: string, digests: Digests = {}): DiskCopy {
  let newest: Newest | undefined
  /** Of all that lie there, also of what could not be read now: it may be another time. */
  let highest = 0
  const bases: Record<Slot, string | null> = { a: null, b: null }
  return {
    load: async () => {
      const read = await Promise.all(SLOTS.map((slot) => readGeneration(dir, slot)))
      const problems = read.flatMap((one) => (one.ok ? [] : [one.error]))
      const whole = read.flatMap((one) => (one.ok && one.value ? [one.value] : []))
      newest = undefined
      highest = Math.max(highest, ...whole.map(({ number }) => number))
      for (const one of whole) bases[one.slot] = one.base?.name ?? null
      for (const one of whole.sort((a, b) => b.number - a.number)) {
        const snapshot = await one.read(digests)
        if (snapshot.ok) {
          newest = one
          return { snapshot: snapshot.value, problems }
        }
        problems.push(`${pathOf(dir, one.slot)}: ${snapshot.error}`)
      }
      return { snapshot: null, problems }
    },
    save: async (snapshot, changed) => {
      const slot = newest?.slot === 'a' ? 'b' : 'a'
      const number = highest + 1
      try {
        const over = await placeFor(dir, { snapshot, changed, newest, number })
        const next = { slot, number, ...over } as const
        await writeGeneration(dir, next, snapshot)
        newest = next
        highest = number
        const before = bases[slot]
        bases[slot] = over.base?.name ?? null
        const kept = Object.values(bases).filter((name) => name !== null)
        if (before !== bases[slot]) await sweepBases(dir, kept)
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

interface Saving {
  readonly snapshot: Snapshot
  readonly changed: Changed
  readonly newest: Newest | undefined
  readonly number: number
}

type Over = Pick<Newest, 'base' | 'changes'>

/** What the next generation lies over: nothing, the base that there is, or one that is made now. */
async function placeFor(dir: string, { snapshot, changed, newest, number }: Saving): Promise<Over> {
  if (!isLarge(snapshot)) return { base: null, changes: [] }
  const base = newest?.base
  if (base && changed !== 'all') {
    const changes = merged(newest.changes, changed)
    const times = (all: readonly unknown[]) => Math.floor(all.length / CHANGES_MAX)
    if (times(changes) <= times(newest.changes)) return { base, changes }
    try {
      return { base: await writeBase(dir, number, snapshot), changes: [] }
    } catch (error) {
      // No room for another one, perhaps: it is tried again after as many changes.
      if (times(changes) < CHANGES_TIMES_MAX) return { base, changes }
      throw error
    }
  }
  return { base: await writeBase(dir, number, snapshot), changes: [] }
}

function isLarge(snapshot: Snapshot): boolean {
  const sizes = RESOURCES.map((name) => collection(snapshot, name).size)
  return sizes.reduce((sum, size) => sum + size, 0) > WHOLE_MAX
}

function merged(
  before: readonly ChangedResource[],
  after: readonly ChangedResource[],
): readonly ChangedResource[] {
  const all = [...before, ...after].map((one) => [`${one.resource} ${one.id}`, one] as const)
  return [...new Map(all).values()]
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
  const line = bytes.subarray(0, Math.max(0, end)).toString('latin1')
  const [magic, number, sum] = line.split(' ')
  const body = bytes.subarray(end + 1)
  const known = magic === MAGIC || magic === MAGIC_OVER_BASE
  if (!known || !/^\d{1,15}$/.test(number ?? '')) return err(`${path}: not a disk copy`)
  if (sum !== sumOf(body)) return err(`${path}: its checksum does not hold`)
  const text = body.toString('utf8')
  const at = { slot, number: Number(number) }
  if (magic === MAGIC) {
    const read = () => Promise.resolve(decodeSnapshot(text))
    return ok({ ...at, base: null, changes: [], read })
  }
  const over = readOver(text)
  if (!over) return err(`${path}: not a disk copy`)
  const { base, changes } = over
  return ok({ ...at, base, changes, read: (digests) => readOverBase(dir, over, digests) })
}

/** What a generation over a base says. */
interface OverBase {
  readonly head: Snapshot['head']
  readonly schema: number
  readonly base: BaseName
  readonly changes: readonly (ChangedResource & { readonly now: Resource | null })[]
}

function readOver(text: string): OverBase | undefined {
  try {
    const read = JSON.parse(text) as OverBase
    return isHead(read.head) && Array.isArray(read.changes) ? read : undefined
  } catch {
    return undefined
  }
}

async function readOverBase(
  dir: string,
  { head, schema, base, changes }: OverBase,
  digests: Digests,
): Promise<Result<Snapshot, string>> {
  if (schema > EVENT_SCHEMA) return err(`schema ${schema}, this version reads ${EVENT_SCHEMA}`)
  const read = await readBase(dir, base, digests)
  if (!read.ok) return read
  const changed = new Map<ResourceName, Map<string, Resource | null>>()
  try {
    for (const { resource, id, now } of changes) {
      const ofKind = changed.get(resource) ?? new Map<string, Resource | null>()
      changed.set(resource, ofKind)
      ofKind.set(id, now && { ...now, spec: upcastSpec(resource, now.spec, schema) })
    }
  } catch (error) {
    return err(messageOf(error))
  }
  const snapshot = snapshotFrom(head, (name) => {
    const [all, some] = [collection(read.value, name), changed.get(name)]
    return some ? withChanges<Resource>(all, some) : all
  })
  return ok(snapshot)
}

async function writeGeneration(
  dir: string,
  { slot, number, base, changes }: Newest,
  snapshot: Snapshot,
): Promise<void> {
  const text = base ? textOver(base, changes, snapshot) : encodeSnapshot(snapshot)
  const body = Buffer.from(text, 'utf8')
  const magic = base ? MAGIC_OVER_BASE : MAGIC
  const line = Buffer.from(`${magic} ${number} ${sumOf(body)}\n`, 'latin1')
  await writeWhole(dir, { temporary: 'snapshot.tmp', name: nameOf(slot) }, async (file) => {
    await file.writev([line, body])
  })
}

function textOver(base: BaseName, changes: readonly ChangedResource[], snapshot: Snapshot): string {
  const all: OverBase['changes'] = changes.map(({ resource, id }) => {
    return { resource, id, now: collection(snapshot, resource).get(id) ?? null }
  })
  const over: OverBase = { head: snapshot.head, schema: EVENT_SCHEMA, base, changes: all }
  return JSON.stringify(over)
}

function nameOf(slot: Slot): string {
  return `snapshot-${slot}.json`
}

function pathOf(dir: string, slot: Slot): string {
  return join(dir, nameOf(slot))
}
