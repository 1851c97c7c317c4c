import { type Socket } from 'node:net'
import { ipcPort } from '@signalbox/bus'
import { type Clock, type Log, type Metrics, partOf } from '@signalbox/host'
import { backendHealth } from '../answers.ts'
import { type ProxyConfig } from '../config.ts'
import { type RunningProxy, startDataPlane } from '../start.ts'
import { type FromWorker, type ToWorker, type What } from './messages.ts'
import { WorkerSeat } from './worker-seat.ts'

/** How often the parent hears of it: well below what makes a worker count as stuck. */
const LOAD_MS = 1_000

export interface WorkerDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * One data plane among several, in a process that a parent forked. Ends the process when the parent
 * says so or is gone: what is under way may finish until the drain's deadline.
 */
export async function runWorker(config: ProxyConfig, deps: WorkerDeps): Promise<void> {
  const { clock, metrics } = deps
  // The parent is told what to do when; a signal may go to the whole group.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const inbox = openInbox()
  process.once('disconnect', inbox.onParentGone)
  const port = ipcPort(process)
  const post = (message: FromWorker) => port.postMessage(message)
  post({ from: 'hello' })
  const seat = new WorkerSeat({ port, clock, metrics }, await inbox.welcome)
  // The notice is over when the parent says `end`.
  const proxy = await startDataPlane({ ...config, drainNoticeMs: 0 }, deps, seat)
  const collect = async (id: number, what: What) => {
    const value =
      what === 'metrics'
        ? await partOf(metrics)
        : backendHealth(proxy.configuration, clock.monotonicMs())
    post({ from: 'collected', id, value })
  }
  let ending: Promise<void> | undefined
  const end = () => void (ending ??= stop(proxy, seat, metrics))
  clock.every(LOAD_MS, () => post({ from: 'load', load: seat.load() }))
  inbox.open(end, (message, socket) => {
    if (message.to === 'connection') seat.connection(message.id, socket)
    else if (message.to === 'config') seat.config(message.config)
    else if (message.to === 'statuses') seat.statuses(message.statuses)
    else if (message.to === 'state') seat.state(message.state)
    else if (message.to === 'leases') seat.hears?.leases(message.report)
    else if (message.to === 'spending') seat.hears?.spending(message.spending)
    else if (message.to === 'collect') void collect(message.id, message.what)
    else if (message.to === 'answer') seat.answer(message.id, message.value)
    else if (message.to === 'leave') proxy.leave()
    else if (message.to === 'end') end()
  })
  post({ from: 'up' })
}

type Take = (message: ToWorker, socket?: Socket) => void

/** Keeps what comes before there is somebody to take it. Without a parent before that: exits. */
function openInbox() {
  const early: Parameters<Take>[] = []
  let take: Take = (...all) => void early.push(all)
  let onGone = () => process.exit(0)
  const welcome = new Promise<Extract<ToWorker, { to: 'welcome' }>>((resolve) => {
    process.on('message', (message: ToWorker, socket?: Socket) => {
      if (message.to === 'welcome') resolve(message)
      else take(message, socket)
    })
  })
  return {
    welcome,
    onParentGone: () => onGone(),
    open: (whenGone: () => void, taker: Take) => {
      take = taker
      onGone = whenGone as () => never
      for (const all of early.splice(0)) taker(...all)
    },
  }
}

async function stop(proxy: RunningProxy, seat: WorkerSeat, metrics: Metrics): Promise<void> {
  await proxy.stop()
  const last: FromWorker = { from: 'last', load: seat.load(), metrics: await partOf(metrics) }
  if (process.connected) await send(last)
  process.exit(0)
}

/** Settles when it is written. */
function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve())
  })
}
