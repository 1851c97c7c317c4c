import { type Cancel, type Clock } from '@signalbox/host'
import { type NetworkSpec, type Resource, type Status } from '@signalbox/model'
import { afterProbe, nextProbeDelayMs, type ProbedHealth, unprobed } from '@signalbox/routing'
import { type Checked, type Checker } from './check.ts'
import { type Turns } from './turns.ts'

export interface WatchOptions {
  readonly backend: Resource<'backend'>
  readonly credentialRevision: number
  readonly network: NetworkSpec
  readonly checker: Checker
  readonly clock: Clock
  readonly turns: Turns
  readonly random: () => number
  readonly observer: string
  /**
   * After every look; `changed` where health, models or the backend's revision are not what they
   * were: somebody may be waiting for the first look at a revision.
   */
  readonly onChecked: (status: Status, facts: { changed: boolean; checked: Checked }) => void
  /** What an earlier watch of the same address had found. */
  readonly earlier?: Watch | undefined
}

export interface Watch {
  readonly backend: Resource<'backend'>
  /** Which version of its credential it looks with. */
  readonly credentialRevision: number
  /** Where it was allowed to be. */
  readonly network: NetworkSpec
  /** By the monotonic clock: when somebody began to look at this address. */
  readonly startedMs: number
  readonly state: ProbedHealth
  /** What the last look found, at the revision that it looked at; null before the first. */
  readonly status: Status | null
  stop(): Promise<void>
}

/**
 * Looks at one backend on its own schedule: at once, then as its health says. One look at a time;
 * a backend that hangs delays nobody but itself.
 */
export function watchBackend(options: WatchOptions): Watch {
  const { backend, credentialRevision, network, checker, clock, random } = options
  const { observer, onChecked, earlier, turns } = options
  let state = earlier?.state ?? unprobed(clock.nowMs())
  let status: Status | null = earlier?.status ?? null
  let cancel: Cancel = () => {}
  let stopped = false

  async function look(): Promise<void> {
    if (stopped) return
    const checked = await checker.check()
    if (stopped) return
    const { unhealthyThreshold, healthyThreshold, intervalMs } = backend.spec.health
    const before = status
    const by = { unhealthyThreshold, healthyThreshold, nowMs: clock.nowMs() }
    state = afterProbe(state, checked.result, by)
    const now: Status = {
      backend: backend.id,
      health: state.health,
      sinceMs: state.sinceMs,
      checkedAtMs: clock.nowMs(),
      latencyMs: checked.latencyMs,
      error: checked.error,
      models: checked.models ?? before?.models ?? null,
      revision: backend.revision,
      observer,
    }
    status = now
    cancel = clock.after(nextProbeDelayMs(state, intervalMs, random), () => turns.run(look))
    onChecked(now, { changed: before === null || !sameFacts(before, now), checked })
  }
  turns.run(look)

  return {
    ...{ backend, credentialRevision, network },
    startedMs: earlier?.startedMs ?? clock.monotonicMs(),
    get state() {
      return state
    },
    get status() {
      return status
    },
    stop: async () => {
      stopped = true
      cancel()
      await checker.close()
    },
  }
}

function sameFacts(a: Status, b: Status): boolean {
  if (a.revision !== b.revision || a.health !== b.health) return false
  if (a.models?.length !== b.models?.length) return false
  return (a.models ?? []).every((model, index) => model === b.models?.[index])
}
