import { setImmediate } from 'node:timers/promises'
import {
  type Bus,
  BusUnavailable,
  links,
  manifestSigner,
  manifestTrust,
  openManifest,
  packChunk,
  type Sign,
  signManifest,
  textOf,
  type Trusts,
} from '@signalbox/bus'
import { type Clock, type Log, sha256 } from '@signalbox/host'
import {
  type Chunk,
  chunkIndex,
  cutPieces,
  decodeChunk,
  EVENT_SCHEMA,
  type Head,
  type Manifest,
  type Resource,
  resourceAfter,
  type ResourceName,
  RESOURCES,
  type RevisionMessage,
  upcastBody,
} from '@signalbox/model'
import { type Store } from '@signalbox/store'

export interface SnapshotsDeps {
  readonly store: Pick<Store, 'head' | 'toPublish' | 'visitToPublish'>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly sign: Sign
  readonly trusts: Trusts
}

/** With what this fleet signs snapshots, and by what it knows them. */
export function snapshotKeys(config: Parameters<typeof manifestTrust>[0]) {
  return { sign: manifestSigner(config), trusts: manifestTrust(config) }
}

/** Revisions that are laid over the chunks of the snapshot before; after more, all is read anew. */
const REVISIONS_MAX = 2_048
/** Changes in them: that many are held at once. */
const CHANGES_MAX = 50_000
const BATCH = 64
/** A page that took longer is followed by a rest. */
const LONG_MS = 5
const REST_MS_MAX = 250

/**
 * Keeps a snapshot of the log on the bus. A new one is made of the one that is there: the chunks
 * into which the changes since then fall are read, changed and written anew, the others stay. Where
 * there is none of this log, or it is too old, the resources are read page by page; either way a
 * few chunks are held at a time. Any number of publishers may do it: compare-and-set lets one win.
 */
export class Snapshots {
  readonly deps: SnapshotsDeps
  #making: Promise<number> | null = null
  #abort = new AbortController()

  constructor(deps: SnapshotsDeps) {
    this.deps = deps
  }

  /**
   * The revision of the snapshot on the bus, which has at least what was published when it was
   * begun: who asks while one is made has that one. Takes its time where all is read.
   */
  publish(): Promise<number> {
    this.#making ??= this.#make(this.#abort.signal).finally(() => (this.#making = null))
    return this.#making
  }

  /** What is being made rejects with this reason, and leaves the snapshot on the bus as it is. */
  abort(reason: string): void {
    this.#abort.abort(new BusUnavailable(reason))
    this.#abort = new AbortController()
  }

  async #make(signal: AbortSignal): Promise<number> {
    const { bus, store, log } = this.deps
    const there = await bus.latestManifest()
    const base = there && openManifest(there, this.deps.trusts)
    if (base && !base.ok) log.warn({ problem: base.error }, 'the snapshot on the bus is not ours')
    const head = await store.head()
    if (head.revision === 0) return 0
    // It has more than our log: whose tail is lost is settled elsewhere (publisher.ts).
    if (base?.ok && isOlder(head, base.value.head)) return head.revision
    const made =
      (base?.ok && (await this.#advance(base.value, head))) || (await this.#makeWhole(signal))
    const { sign } = this.deps
    // One that a former key signed is signed anew: that key will be taken away.
    const same = base?.ok && made === base.value ? base.value : undefined
    if (same && there?.signature === signManifest(same, sign).signature) return made.head.revision
    signal.throwIfAborted()
    const outcome = await bus.publishManifest(signManifest(made, sign), there)
    if (outcome.kind === 'stored') return made.head.revision
    // Another publisher was faster: it may have looked earlier, but not by more than this took.
    return base?.ok ? base.value.head.revision : 0
  }

  /**
   * The manifest of all that there is now. Others write meanwhile: it rests for as long as it has
   * worked, though not so long that the database takes its transaction for a forgotten one.
   */
  async #makeWhole(signal: AbortSignal): Promise<Manifest> {
    const { store, clock } = this.deps
    const chunks: Chunk[] = []
    const head = await store.visitToPublish(async (name, resources) => {
      signal.throwIfAborted()
      const beginMs = clock.monotonicMs()
      chunks.push(...(await this.#put(name, resources)))
      const workedMs = clock.monotonicMs() - beginMs
      const restMs = Math.min(workedMs, REST_MS_MAX)
      if (restMs > LONG_MS) await new Promise<void>((rested) => clock.after(restMs, rested))
    })
    return { head, schema: EVENT_SCHEMA, chunks }
  }

  /** The manifest as it is after what was committed since; undefined where it cannot be made so. */
  async #advance(base: Manifest, head: Head): Promise<Manifest | undefined> {
    if (base.head.lineage !== head.lineage || base.schema !== EVENT_SCHEMA) return undefined
    if (base.head.revision > head.revision) return undefined
    if (head.revision - base.head.revision > REVISIONS_MAX) return undefined
    const messages = await this.#messagesAfter(base.head, head.revision)
    if (!messages) return undefined
    const last = messages.at(-1)
    if (!last) return isSame(base.head, head) ? base : undefined
    const changes = changesOf(messages)
    if ([...changes.values()].reduce((sum, { size }) => sum + size, 0) > CHANGES_MAX)
      return undefined
    const chunks: Chunk[] = []
    for (const name of RESOURCES) {
      const present = base.chunks.filter(({ resource }) => resource === name)
      const next = await this.#change(name, present, changes.get(name) ?? new Map())
      if (!next) return undefined
      chunks.push(...next)
    }
    const { lineage, epoch, revision, hash } = last
    return { head: { lineage, epoch, revision, hash }, schema: EVENT_SCHEMA, chunks }
  }

  /** What follows a head, up to a revision; undefined where that is another log's head. */
  async #messagesAfter(from: Head, last: number): Promise<readonly RevisionMessage[] | undefined> {
    const messages: RevisionMessage[] = []
    let head = from
    while (head.revision < last) {
      const limit = Math.min(BATCH, last - head.revision)
      const some = await this.deps.store.toPublish(head.revision, limit)
      if (some.length === 0) return undefined
      for (const message of some) {
        if (!links(head, message, sha256)) return undefined
        messages.push(message)
        head = message
      }
    }
    return messages
  }

  /** The chunks of a kind after these changes; undefined where one that is needed is not there. */
  async #change(
    name: ResourceName,
    present: readonly Chunk[],
    changes: ReadonlyMap<string, readonly Change[]>,
  ): Promise<readonly Chunk[] | undefined> {
    const byChunk = Map.groupBy(changes.keys(), (id) => chunkIndex(present, id))
    const chunks: Chunk[] = []
    for (const [index, chunk] of present.entries()) {
      const ids = byChunk.get(index)
      if (!ids) {
        chunks.push(chunk)
        continue
      }
      const resources = await this.#read(chunk)
      if (!resources) return undefined
      chunks.push(...(await this.#put(name, changed(resources, ids, changes))))
      await setImmediate()
    }
    const added = byChunk.get(-1)
    if (added) chunks.push(...(await this.#put(name, changed([], added, changes))))
    return chunks
  }

  async #read(chunk: Chunk): Promise<readonly Resource[] | undefined> {
    const { bus, log } = this.deps
    const text = await textOf(chunk, [
      { name: 'the bus', chunk: (hash) => bus.snapshotChunk(hash) },
    ])
    const read = text.ok ? decodeChunk(text.value, chunk, EVENT_SCHEMA) : text
    if (read.ok) return read.value
    log.warn({ problem: read.error }, 'a snapshot is made anew, from the log')
    return undefined
  }

  /** Sorted resources of one kind as chunks on the bus. */
  async #put(name: ResourceName, resources: readonly Resource[]): Promise<readonly Chunk[]> {
    const chunks: Chunk[] = []
    for (const { first, count, text } of cutPieces(resources)) {
      const stored = await packChunk(text)
      await this.deps.bus.publishChunk(stored)
      chunks.push({ resource: name, first, count, hash: stored.hash })
    }
    return chunks
  }
}

/** What one event does to a resource. */
type Change = (before: Resource | undefined) => Resource | null

function changesOf(
  messages: readonly RevisionMessage[],
): ReadonlyMap<ResourceName, ReadonlyMap<string, readonly Change[]>> {
  const changes = new Map<ResourceName, Map<string, Change[]>>()
  for (const message of messages) {
    const body = upcastBody(JSON.parse(message.body))
    for (const event of body.events) {
      const byId = changes.get(event.resource) ?? new Map<string, Change[]>()
      changes.set(event.resource, byId)
      const all = byId.get(event.id) ?? []
      byId.set(event.id, all)
      all.push((before) => resourceAfter(event, { body, message }, before))
    }
  }
  return changes
}

function changed(
  resources: readonly Resource[],
  ids: readonly string[],
  changes: ReadonlyMap<string, readonly Change[]>,
): readonly Resource[] {
  const all = new Map(resources.map((resource) => [resource.id, resource]))
  for (const id of ids) {
    for (const change of changes.get(id) ?? []) {
      const after = change(all.get(id))
      if (after) all.set(id, after)
      else all.delete(id)
    }
  }
  return [...all.values()].sort(byId)
}

function byId({ id: one }: Resource, { id: other }: Resource): number {
  return one < other ? -1 : 1
}

/** Whether a head of one log comes before another one of it. */
function isOlder(one: Head, other: Head): boolean {
  if (one.lineage !== other.lineage) return false
  if (one.epoch !== other.epoch) return one.epoch < other.epoch
  return one.revision < other.revision
}

function isSame(one: Head, other: Head): boolean {
  return one.revision === other.revision && one.hash === other.hash
}
