import { emptySnapshot, type Head, type Sha256, type Snapshot } from '@signalbox/model'
import { type FetchOutcome } from './bus.ts'
import { extend } from './follower-fold.ts'
import { adopt, type Follower, pause, quiet, type Resync, type Step } from './follower-state.ts'

/* The second chain, built beside the one that serves (follower.ts says when and why). */

/** Aims at a beacon; what was built on the way to an earlier one of the same log is kept. */
export function beginResync(state: Follower, target: Head): Follower {
  const base = state.resync?.base
  const same = state.resync?.target.lineage === target.lineage
  if (state.resync && same && (base?.head.revision ?? 0) < target.revision) {
    return { ...state, resync: { ...state.resync, target } }
  }
  return { ...state, resync: { target, base: null, fromGenesis: false } }
}

/** A snapshot that may lie on the way to the target; else the beginning of the log. */
export function resyncFrom(state: Follower, resync: Resync, offered: Snapshot | null): Step {
  const { target } = resync
  const head = offered?.head
  const usable = head?.lineage === target.lineage && head.epoch <= target.epoch
  if (offered && usable && offered.head.revision <= target.revision) {
    return arrive(state, { target, base: offered, fromGenesis: false })
  }
  return arrive(state, { target, base: emptySnapshot(target.lineage), fromGenesis: true })
}

interface Fetched {
  readonly outcome: FetchOutcome
  readonly sha256: Sha256
}

export function onResyncFetched(
  state: Follower,
  resync: Resync,
  { outcome, sha256 }: Fetched,
): Step {
  // The answer to a request from before the resync began.
  if (!resync.base) return quiet(state)
  if (outcome.kind === 'gone') return giveUp(state)
  const { target } = resync
  const messages = outcome.messages.filter(({ revision }) => revision <= target.revision)
  const grown = extend(resync.base, messages, sha256)
  if (grown.stopped?.kind === 'unreadable') {
    return quiet({ ...state, resync: null, frozen: grown.stopped.reason })
  }
  if (grown.stopped) return restart(state, resync)
  if (grown.snapshot === resync.base) return pause(state)
  return arrive(state, { ...resync, base: grown.snapshot })
}

/** Takes the chain over where it has come to the target; else goes on building. */
function arrive(state: Follower, resync: Resync & { readonly base: Snapshot }): Step {
  const { target, base } = resync
  if (base.head.revision < target.revision) return quiet({ ...state, resync })
  if (base.head.hash !== target.hash) return restart(state, resync)
  const taken: Follower = { ...state, resync: null, forked: false, heard: target.revision }
  return adopt(taken, base, 'all')
}

/** The snapshot was none of this log: from the beginning. Not even that led there: leave it. */
function restart(state: Follower, { target, fromGenesis }: Resync): Step {
  if (fromGenesis) return giveUp(state)
  const base = emptySnapshot(target.lineage)
  return quiet({ ...state, resync: { target, base, fromGenesis: true } })
}

/** Goes on serving what it has. The next beacon begins anew. */
function giveUp(state: Follower): Step {
  return pause({ ...state, resync: null })
}
