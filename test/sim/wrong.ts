import { type RevisionMessage, type Snapshot } from '@signalbox/model'
import { type Machine } from '../../libs/bus/src/follow.ts'
import { type Effect, type Input } from '../../libs/bus/src/follower-state.ts'
import { step } from '../../libs/bus/src/follower.ts'
import { type Wrong } from './world.ts'

/** Acks before its disk has it. */
const acksEarly: Machine = (state, input, sha256) => {
  const next = step(state, input, sha256)
  const durable = next.state.snapshot?.head ?? null
  return { ...next, state: { ...next.state, durable } }
}

const takesOldSnapshots: Machine = (state, input, sha256) => {
  if (input.kind !== 'snapshot' || !input.snapshot) return step(state, input, sha256)
  return step({ ...state, snapshot: null }, input, sha256)
}

const skipsGaps: Machine = (state, input, sha256) => {
  if (input.kind !== 'revision' || !state.snapshot) return step(state, input, sha256)
  const { head } = state.snapshot
  const { revision, previousHash } = input.message
  if (revision <= head.revision) return step(state, input, sha256)
  const pretended = { ...head, revision: revision - 1, hash: previousHash }
  return step({ ...state, snapshot: { ...state.snapshot, head: pretended } }, input, sha256)
}

const ignoresThePreviousHash: Machine = (state, input, sha256) => {
  const { snapshot } = state
  const message = nextIn(input)
  if (!snapshot || !message || state.resync) return step(state, input, sha256)
  const pretended = { ...snapshot, head: believed(snapshot, message) }
  const next = step({ ...state, snapshot: pretended }, input, sha256)
  const same = next.state.snapshot === pretended
  return same ? { ...next, state: { ...next.state, snapshot } } : next
}

function nextIn(input: Input): RevisionMessage | undefined {
  if (input.kind === 'revision') return input.message
  if (input.kind !== 'fetched' || input.outcome.kind !== 'found') return undefined
  return input.outcome.messages[0]
}

function believed({ head }: Snapshot, { revision, previousHash }: RevisionMessage) {
  return revision === head.revision + 1 ? { ...head, hash: previousHash } : head
}

const ignoresTheBeaconsHash: Machine = (state, input, sha256) => {
  const mine = state.snapshot?.head
  if (input.kind !== 'beacon' || !mine) return step(state, input, sha256)
  const { epoch, hash } = mine
  return step(state, { ...input, head: { ...input.head, epoch, hash } }, sha256)
}

const neverFetches: Machine = (state, input, sha256) => {
  const next = step(state, input, sha256)
  const keep = ({ kind }: Effect) => kind !== 'fetch'
  return { ...next, effects: next.effects.filter(keep) }
}

/** Rules that are wrong on purpose: each has to be noticed. */
export const WRONG: Readonly<Record<string, Wrong>> = {
  'a broker that stores without comparing': { comparesAndSets: false },
  'a follower that acks before its disk has it': { machine: acksEarly },
  'a follower that takes a snapshot older than what it has': { machine: takesOldSnapshots },
  'a follower that does not look whether a revision is the next one': { machine: skipsGaps },
  'a follower that does not look at the previous hash': { machine: ignoresThePreviousHash },
  'a follower that does not compare the hash of the beacon': { machine: ignoresTheBeaconsHash },
  'a follower that never asks for what it missed': { machine: neverFetches },
}
