import {
  emptySnapshot,
  type Head,
  type RevisionMessage,
  type Sha256,
  type Snapshot,
} from '@signalbox/model'
import { type FetchOutcome, REVISIONS_PER_FETCH } from './bus.ts'
import { extend, links } from './follower-fold.ts'
import { beginResync, onResyncFetched, resyncFrom } from './follower-resync.ts'
import {
  adopt,
  type Effect,
  type Follower,
  type Input,
  pause,
  quiet,
  type Step,
} from './follower-state.ts'

/*
 * Follows one log and survives everything that can happen to what carries it.
 *
 * A follower holds a chain: a snapshot whose head names lineage, epoch, revision and hash. It
 * grows by one rule only: the message is for the next revision, its previous hash is the chain's
 * hash, and its own hash recomputes. So whatever is lost, doubled, reordered, stale or forged, the
 * chain is a prefix of some log. What the follower may miss is only that the log has gone on, or
 * that it was replaced:
 *
 * - gone on: a live message or the head beacon names a later revision. It fetches from its own
 *   revision + 1, never from elsewhere; only the answer "gone" makes it take a snapshot, and only a
 *   newer one of the same lineage.
 * - replaced (a fail-over lost a tail, a backup was restored): only a beacon can tell, by another
 *   lineage, a higher epoch at or below our revision, or another hash at our revision; or it
 *   confirms a fork that a fetch met. Then a second chain is built beside the first, from a
 *   snapshot or from revision 1, and takes its place only when it arrives at the beacon's very
 *   hash.
 *
 * A failure or a time-out changes nothing but when to ask again: at most one request is under way,
 * and after a fruitless one comes a pause. The names of the states are derived from the facts
 * (stateName), so that no transition can be forgotten:
 *
 *   cold -> restoring -> syncing -> catching-up <-> live       (serves from catching-up on)
 *                                     |  \____ degraded        (no beacon for 6 s)
 *                                     +------- frozen          (an event it does not understand;
 *                                                               until the process is replaced)
 *   any -> draining
 */

/** The follower after an input, and what is to be done. Pure; time comes in with the inputs. */
export function step(state: Follower, input: Input, sha256: Sha256): Step {
  if (state.draining && input.kind !== 'persisted') return { state, effects: [] }
  const after = react(state, input, sha256)
  const planned = plan(after.state)
  return { state: planned.state, effects: [...after.effects, ...planned.effects] }
}

function react(state: Follower, input: Input, sha256: Sha256): Step {
  switch (input.kind) {
    case 'start':
      return {
        state: { ...state, request: 'restore', nowMs: input.atMs, heardAtMs: input.atMs },
        effects: [{ kind: 'restore' }],
      }
    case 'restored':
      return onRestored(state, input.snapshot)
    case 'connected':
      return quiet({ ...resume(state), probing: true })
    case 'revision':
      return onRevision(state, input.message, sha256)
    case 'beacon':
      return onBeacon(state, input.head, input.atMs)
    case 'fetched':
      if (state.frozen !== null) return quiet(state)
      return onFetched({ ...state, request: 'idle' }, input.outcome, sha256)
    case 'snapshot':
      if (state.frozen !== null) return quiet(state)
      return onSnapshot({ ...state, request: 'idle' }, input.snapshot)
    case 'offered':
      return onOffered(state, input.snapshot)
    case 'failed':
      return pause(state)
    case 'resume':
      return quiet(resume(state))
    case 'persisted':
      return quiet({ ...state, durable: input.head })
    case 'tick':
      return quiet({ ...state, nowMs: input.atMs })
    case 'drain':
      return quiet({ ...state, draining: true })
  }
}

function resume(state: Follower): Follower {
  return state.request === 'pause' ? { ...state, request: 'idle' } : state
}

/** The next request, where none is under way. */
function plan(state: Follower): Step {
  if (state.request !== 'idle' || state.draining || state.frozen !== null) return quiet(state)
  const { resync, snapshot } = state
  if (resync) return resync.base ? fetch(state, resync.base, resync.target.revision) : take(state)
  if (!snapshot) return take(state)
  if (state.forked) return quiet(state)
  if (state.probing) return fetch(state, snapshot, Infinity)
  return state.heard > snapshot.head.revision ? fetch(state, snapshot, state.heard) : quiet(state)
}

function fetch(state: Follower, base: Snapshot | null, goal: number): Step {
  const from = (base?.head.revision ?? 0) + 1
  const to = Math.min(goal, from + REVISIONS_PER_FETCH - 1)
  return {
    state: { ...state, request: 'fetch', asked: state.heard, probing: false },
    effects: [{ kind: 'fetch', from, to }],
  }
}

function take(state: Follower): Step {
  return { state: { ...state, request: 'snapshot' }, effects: [{ kind: 'take-snapshot' }] }
}

function onRestored(state: Follower, snapshot: Snapshot | null): Step {
  const idle: Follower = { ...state, request: 'idle' }
  if (!snapshot) return quiet(idle)
  const restored = { ...idle, snapshot, durable: snapshot.head }
  const effects: Effect[] = [{ kind: 'adopt', snapshot, changed: 'all' }]
  // A beacon that came before the disk answered is judged now, against what the disk held.
  const judged = state.beacon ? judgeBeacon(restored, state.beacon) : quiet(restored)
  return { state: { ...judged.state, probing: true }, effects: [...effects, ...judged.effects] }
}

function onRevision(state: Follower, message: RevisionMessage, sha256: Sha256): Step {
  const { snapshot } = state
  if (!snapshot || state.frozen !== null || message.lineage !== snapshot.head.lineage) {
    return quiet(state)
  }
  if (message.revision <= snapshot.head.revision) return quiet(state)
  const heard = { ...state, heard: Math.max(state.heard, message.revision) }
  if (!links(snapshot.head, message, sha256)) return quiet(heard)
  return applyTo(heard, snapshot, { messages: [message], sha256 })
}

interface Batch {
  readonly messages: readonly RevisionMessage[]
  readonly sha256: Sha256
}

/** Grows the chain that serves. */
function applyTo(state: Follower, snapshot: Snapshot, { messages, sha256 }: Batch): Step {
  const grown = extend(snapshot, messages, sha256)
  const frozen = grown.stopped?.kind === 'unreadable' ? grown.stopped.reason : null
  const forked = state.forked || grown.stopped?.kind === 'fork'
  const next = { ...state, frozen, forked }
  if (grown.snapshot !== snapshot) return adopt(next, grown.snapshot, grown.changed)
  return quiet(next)
}

function onBeacon(state: Follower, head: Head, atMs: number): Step {
  const mine = state.snapshot?.head
  const stale = mine?.lineage === head.lineage && head.epoch < mine.epoch
  if (stale) return quiet(state)
  const heard = { ...state, nowMs: atMs, heardAtMs: atMs, beacon: newest(state.beacon, head) }
  if (state.request === 'restore' || state.frozen !== null) return quiet(heard)
  return judgeBeacon(heard, head)
}

/** Beacons overtake each other; another lineage's has no order and counts as newer. */
function newest(known: Head | null, head: Head): Head {
  if (known?.lineage !== head.lineage || known.epoch < head.epoch) return head
  return known.epoch === head.epoch && known.revision > head.revision ? known : head
}

function judgeBeacon(state: Follower, head: Head): Step {
  const mine = state.snapshot?.head
  if (!mine) {
    return head.revision === 0 ? adopt(state, emptySnapshot(head.lineage), 'all') : quiet(state)
  }
  if (head.lineage !== mine.lineage) return quiet(beginResync(state, head))
  if (head.revision > mine.revision) {
    if (state.forked || state.resync) return quiet(beginResync(state, head))
    return quiet({ ...state, heard: Math.max(state.heard, head.revision) })
  }
  if (head.revision === mine.revision) {
    if (head.hash !== mine.hash) return quiet(beginResync(state, head))
    return quiet({ ...state, resync: null, forked: false })
  }
  return quiet(head.epoch > mine.epoch ? beginResync(state, head) : state)
}

function onFetched(state: Follower, outcome: FetchOutcome, sha256: Sha256): Step {
  if (state.resync) return onResyncFetched(state, state.resync, { outcome, sha256 })
  if (outcome.kind === 'gone') return state.snapshot ? take(state) : pause(state)
  const { messages } = outcome
  const base = state.snapshot ?? genesisOf(messages[0])
  if (!base) return pause(state)
  const grown = applyTo(state, base, { messages, sha256 })
  if (grown.state.snapshot === state.snapshot) return fruitless(grown.state)
  const probing = messages.length >= REVISIONS_PER_FETCH
  return { state: { ...believe(grown.state), probing }, effects: grown.effects }
}

/** The stream has answered: only a beacon, or what was heard since it was asked, knows better. */
function believe(state: Follower): Follower {
  if (state.heard > state.asked) return state
  const { beacon, snapshot } = state
  const same = beacon?.lineage === snapshot?.head.lineage
  return { ...state, heard: same ? (beacon?.revision ?? 0) : 0 }
}

function fruitless(state: Follower): Step {
  const mine = state.snapshot?.head
  if (!mine) return pause(state)
  if (state.heard > state.asked) return quiet(state)
  const next = believe(state)
  if (next.heard <= mine.revision) return quiet(next)
  return state.forked && state.beacon ? quiet(beginResync(next, state.beacon)) : pause(next)
}

function genesisOf(first: RevisionMessage | undefined): Snapshot | null {
  return first?.revision === 1 ? emptySnapshot(first.lineage) : null
}

function onSnapshot(state: Follower, offered: Snapshot | null): Step {
  const { resync, snapshot } = state
  if (resync) return resyncFrom(state, resync, offered)
  if (!snapshot) {
    if (!offered) return fetch(state, null, Infinity)
    const adopted = adopt(state, offered, 'all')
    const judged = state.beacon ? judgeBeacon(adopted.state, state.beacon) : adopted
    return { state: { ...judged.state, probing: true }, effects: adopted.effects }
  }
  const mine = snapshot.head
  if (!isNewer(offered, mine)) return state.heard > mine.revision ? pause(state) : quiet(state)
  const adopted = adopt(state, offered, 'all')
  return { state: { ...adopted.state, probing: true }, effects: adopted.effects }
}

/** Taken whatever is under way: the answer to that is judged against what is here by then. */
function onOffered(state: Follower, offered: Snapshot): Step {
  const { request, frozen, resync, forked, snapshot } = state
  if (request === 'unstarted' || request === 'restore') return quiet(state)
  if (frozen !== null || resync || forked) return quiet(state)
  if (snapshot && !isNewer(offered, snapshot.head)) return quiet(state)
  // Whoever has nothing hears the bus out first: a folder may be old, and serve what was revoked.
  if (!snapshot && asksBus(state)) return quiet(state)
  const adopted = adopt(state, offered, 'all')
  const judged = state.beacon ? judgeBeacon(adopted.state, state.beacon) : adopted
  return { state: { ...judged.state, probing: true }, effects: adopted.effects }
}

/** Whether an answer of the bus is under way. */
export function asksBus({ request }: Follower): boolean {
  return request === 'snapshot' || request === 'fetch'
}

function isNewer(
  offered: Snapshot | null,
  { lineage, epoch, revision }: Head,
): offered is Snapshot {
  const head = offered?.head
  return head?.lineage === lineage && head.epoch >= epoch && head.revision > revision
}
