import { canonicalJson } from './canonical.ts'
import { hashHolds, type Sha256 } from './chain.ts'
import { type Checkpoint } from './checkpoint.ts'
import { GENESIS_HASH, type Head, type RevisionBody, type RevisionMessage } from './event.ts'

/** How many problems a check names before it stops looking. */
export const CHAIN_PROBLEMS_MAX = 100

export interface ChainProblem {
  /** The revision at fault; the last one that was read, where something is missing after it. */
  readonly revision: number
  readonly message: string
}

export interface ChainReport {
  readonly ok: boolean
  readonly revision: number
  readonly hash: string
  readonly problems: readonly ChainProblem[]
}

/**
 * Follows a log from its first revision and says where it is not what it should be: a changed row
 * (its bytes do not give its hash), a removed or reordered one (numbers and previous hashes do not
 * follow), a body that says it is another one, events that are not numbered in order. Checkpoints
 * from elsewhere tell of a tail that is missing and of a history that was written anew.
 */
export class ChainCheck {
  readonly #sha256: Sha256
  readonly #checkpoints = new Map<number, Checkpoint[]>()
  readonly #problems: ChainProblem[] = []
  #head: Head | null = null
  #position = 0

  constructor(sha256: Sha256, checkpoints: readonly Checkpoint[] = []) {
    this.#sha256 = sha256
    for (const checkpoint of checkpoints) {
      const same = this.#checkpoints.get(checkpoint.revision) ?? []
      this.#checkpoints.set(checkpoint.revision, [...same, checkpoint])
    }
  }

  /** Takes the next revision; false once there is no point in going on. */
  next(message: RevisionMessage): boolean {
    const { revision } = message
    const before = this.#head ?? {
      revision: 0,
      hash: GENESIS_HASH,
      epoch: 0,
      lineage: message.lineage,
    }
    const say = (text: string) => this.#problems.push({ revision, message: text })
    if (revision !== before.revision + 1) say(`follows revision ${before.revision}`)
    else if (message.previousHash !== before.hash)
      say('its previous hash is not that of the one before')
    if (message.lineage !== before.lineage) say('it is of another log')
    if (message.epoch < before.epoch) say(`its epoch ${message.epoch} is older than the one before`)
    if (!hashHolds(message, this.#sha256)) say('its bytes do not give its hash')
    this.#checkBody(message, say)
    this.#head = headOf(message)
    this.#compare(this.#head, say)
    return this.#problems.length < CHAIN_PROBLEMS_MAX
  }

  /** What was found; what checkpoints tell of and was not read is missing. */
  end(): ChainReport {
    const { revision = 0, hash = GENESIS_HASH } = this.#head ?? {}
    for (const [size] of this.#checkpoints) {
      if (size <= revision) continue
      this.#problems.push({
        revision,
        message: `the log ends here, but a checkpoint says that it had ${size} revisions`,
      })
    }
    const problems = this.#problems.slice(0, CHAIN_PROBLEMS_MAX)
    return { ok: problems.length === 0, revision, hash, problems }
  }

  #checkBody(message: RevisionMessage, say: (text: string) => void): void {
    const body = parse(message.body)
    if (!body) return say('its body is not JSON')
    if (!isCanonical(body, message.body)) say('its body is not canonical JSON')
    const same =
      body.revision === message.revision &&
      body.epoch === message.epoch &&
      body.lineage === message.lineage
    if (!same) say('its body says that it is another revision')
    for (const { position } of body.events) {
      this.#position++
      if (position === this.#position) continue
      say(`its events are numbered ${position} where ${this.#position} follows`)
      this.#position = position
    }
  }

  #compare(head: Head, say: (text: string) => void): void {
    for (const { origin, hash, epoch } of this.#checkpoints.get(head.revision) ?? []) {
      if (!origin.endsWith(`/${head.lineage}`)) {
        say(`a checkpoint of ${origin} is of another log`)
      } else if (hash !== head.hash || epoch !== head.epoch) {
        say('a checkpoint says that the log was another one here')
      }
    }
  }
}

function headOf({ lineage, epoch, revision, hash }: RevisionMessage): Head {
  return { lineage, epoch, revision, hash }
}

/** Text with half of a surrogate pair has no canonical form. */
function isCanonical(value: unknown, text: string): boolean {
  try {
    return canonicalJson(value) === text
  } catch {
    return false
  }
}

function parse(text: string): RevisionBody | undefined {
  try {
    const body = JSON.parse(text) as RevisionBody
    return Array.isArray(body?.events) ? body : undefined
  } catch {
    return undefined
  }
}
