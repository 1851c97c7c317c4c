// The process that bench/probe.ts measures: a probe on a bus in memory.
import { createHub, manifestSigner } from '@signalbox/bus'
import { startHealthProbe } from '@signalbox/health-probe'
import { createMetrics, OPEN_METRICS, silentLog, systemClock } from '@signalbox/host'
import { eventually, snapshotOfSpecs } from '@signalbox/testing'
import { publishSnapshot } from '../libs/bus/src/snapshot.harness.ts'
import { quantile } from './figure.ts'

export interface Task {
  readonly urls: readonly string[]
  readonly seconds: number
}
export interface Measured {
  readonly p95Ms: number
  readonly firstMs: number
  readonly cores: number
  readonly rssMb: number
  readonly looksPerS: number
}

const US_PER_S = 1_000_000
const BYTES_PER_MB = 1_048_576
const HANGING_SHARE = 0.05
const KEYS = { masterKey: new Uint8Array(32), previousMasterKeys: [], fleet: 'default' }

process.once('message', (task: Task) => {
  void measure(task).then((measured) => process.send?.(measured))
})

async function measure({ urls, seconds }: Task): Promise<Measured> {
  const hub = createHub({ clock: systemClock })
  const [admin, bus] = [hub.connect(), hub.connect()]
  const spec = (url: string) => ({ kind: 'openai-compatible', url, models: ['m1'] })
  const backends = Object.fromEntries(urls.map((url, n) => [`b${n}`, spec(url)]))
  const snapshot = snapshotOfSpecs({ backends }, { head: 1 })
  await admin.openStream(snapshot.head)
  await publishSnapshot(admin, snapshot, manifestSigner(KEYS))
  let looks = 0
  const shared = { clock: systemClock, random: Math.random, log: silentLog }
  const config = {
    ...{ id: 'p', observers: 3, metricsAccess: OPEN_METRICS },
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    ...KEYS,
  } as const
  const startMs = performance.now()
  const metrics = createMetrics()
  const probe = await startHealthProbe(config, { bus, metrics, ...shared })
  const tell = setInterval(() => admin.publishBeacon(snapshot.head), 100)
  const healthy = () => probe.statuses().filter(({ health }) => health === 'ready')
  const wanted = Math.floor(urls.length * (1 - HANGING_SHARE))
  await eventually(() => healthy().length >= wanted)
  const firstMs = performance.now() - startMs
  const before = process.cpuUsage()
  const latenciesMs: number[] = []
  const seen = new Map<string, number>()
  const began = performance.now()
  while (performance.now() - began < seconds * 1_000) {
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    for (const { backend, checkedAtMs, latencyMs } of healthy()) {
      if (seen.get(backend) === checkedAtMs) continue
      seen.set(backend, checkedAtMs)
      latenciesMs.push(latencyMs ?? 0)
      looks++
    }
  }
  const tookS = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(before)
  clearInterval(tell)
  return {
    p95Ms: quantile(latenciesMs, 0.95),
    firstMs,
    cores: (user + system) / US_PER_S / tookS,
    rssMb: process.memoryUsage.rss() / BYTES_PER_MB,
    looksPerS: looks / tookS,
  }
}
