import { createMetrics, silentLog, systemClock } from '@signalbox/host'
import { type BackendSpec, parseSpec } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { Live } from './live-backend.ts'
import { Prewarm } from './prewarm.ts'

const WAITING_MAX = 1_000

/** Nobody listens there: a call ends at once. */
function livesOf(count: number): readonly Live[] {
  const spec = parseSpec('backend', { kind: 'vllm', url: 'http://127.0.0.1:9', models: [] })
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  const shared = { revision: 1, spec: spec.value as BackendSpec, credential: null, room: 1 }
  const network = { allow: [] }
  return Array.from({ length: count }, (_, index) => {
    const backend = { ...shared, index, id: `b${index}`, limits: null }
    return new Live({ backend, secret: undefined, network })
  })
}

describe('backends that appear together', () => {
  it('are warmed up as far as they have room to wait, once; the others make no connections', async () => {
    const metrics = createMetrics()
    const prewarm = new Prewarm({ clock: systemClock, log: silentLog, metrics })
    const lives = livesOf(WAITING_MAX + 50)
    const opened = () => lives.filter(({ openedUpstream }) => openedUpstream).length
    const failed = async () =>
      Number(/outcome="failed"\} (\d+)/.exec(await metrics.metrics())?.[1] ?? 0)
    prewarm.look(lives)
    await eventually(async () => (await failed()) === WAITING_MAX)
    prewarm.look(lives)
    expect(opened()).toBe(WAITING_MAX)
    expect(lives.slice(WAITING_MAX).map(({ openedUpstream }) => openedUpstream)).toEqual(
      Array.from({ length: 50 }, () => undefined),
    )
    prewarm.stop()
    await Promise.all(lives.map(({ openedUpstream }) => openedUpstream?.destroy()))
  })
})
