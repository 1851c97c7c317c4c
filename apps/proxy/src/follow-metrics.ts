import { type Following } from '@signalbox/bus'
import { type Clock, Counter, gaugesOf, type Metrics } from '@signalbox/host'
import { type Nack } from '@signalbox/model'

const MS_PER_S = 1_000

/** How this proxy keeps up with the log: what it runs, what it answered, how long ago. */
export function registerFollowMetrics(
  metrics: Metrics,
  { following, clock }: { readonly following: Following; readonly clock: Clock },
): void {
  const registers = [metrics]
  const gauge = gaugesOf(metrics)
  const counter = (name: string, help: string) => new Counter({ name, help, registers })
  gauge('signalbox_revision_applied', 'Revision that routes requests', () => state().active)
  gauge('signalbox_revision_durable', 'Revision that is on disk', () => state().received)
  gauge('signalbox_revisions_behind', 'Revisions that the log is known to be ahead', () =>
    Math.max(0, state().behind),
  )
  gauge('signalbox_nacked_resources', 'Resources that keep an older version', () => {
    return state().nacks.length
  })
  gauge('signalbox_head_age_seconds', 'Time since the applied revision changed', () => {
    return (clock.monotonicMs() - changedAtMs) / MS_PER_S
  })
  const acks = counter('signalbox_acks_total', 'Revisions that were acknowledged, once durable')
  const nacks = counter('signalbox_nacks_total', 'Versions of resources that were refused')

  const state = () => following.state()
  let { active, received, nacks: refused } = state()
  let changedAtMs = clock.monotonicMs()
  following.onChange(() => {
    const now = state()
    if (now.active !== active) changedAtMs = clock.monotonicMs()
    if (now.received > received) acks.inc()
    const known = new Set(refused.map(keyOf))
    nacks.inc(now.nacks.filter((nack) => !known.has(keyOf(nack))).length)
    ;({ active, received, nacks: refused } = now)
  })
}

function keyOf({ revision, resource, id }: Nack): string {
  return `${revision} ${resource} ${id}`
}
