import { createHash } from 'node:crypto'
import { type Limits } from '@signalbox/model'
import {
  Admission,
  compile,
  type CompiledKey,
  findKey,
  LEASE_MS,
  Limiter,
} from '@signalbox/routing'
import { seededRandom, snapshotOfSpecs } from '@signalbox/testing'
import { type Figure, quantile } from './figure.ts'

/** One is shorter than the clock can tell: so many are measured together. */
const REQUESTS = 500
const ROUNDS = 400
const WARM_UP = 100
const NS_PER_US = 1_000
const MOST_US = 3
const KEYS = 10_000
const PROXIES = 4
const OVERLOAD = 10
const RPM = 600
const MINUTES = 5
const MINUTE_MS = 60_000
const STEP_MS = 10
const ERROR_MOST = 0.05

/** What limits cost a request, and how right they are across proxies. */
export async function limits(say: (line: string) => void): Promise<readonly Figure[]> {
  say(`a key of ${KEYS} and three limits`)
  const { keys, tokens } = someKeys()
  const all: Limits = { rpm: 1e12, tpm: 1e12, concurrency: 1e6 }
  const hash = (token: string) => createHash('sha256').update(token).digest('hex')
  const look = (token: string) => findKey(keys, hash(token), 1)
  const limiter = new Limiter('bench')
  const pass = (key: CompiledKey | undefined, nowMs: number) => {
    if (!key) throw new Error('the key is not known')
    const admission = new Admission(limiter)
    admission.enter(`key:${key.id}`, all, nowMs)
    admission.reserve(500, nowMs)
    admission.settle(400)
  }
  const known = tokens.map((token) => look(token))
  const figures = [
    median('key look-up with its hash, median', (n) => look(tokens[n % KEYS] ?? '')),
    median('three limits, taken and settled, median', (n, nowMs) => pass(known[n % KEYS], nowMs)),
    median('key, three limits and accounting, median', (n, nowMs) => {
      pass(look(tokens[n % KEYS] ?? ''), nowMs)
    }),
  ]
  say(`${PROXIES} proxies at ${OVERLOAD} times the limit`)
  return [...figures, fleetError()]
}

function someKeys() {
  const tokens = Array.from({ length: KEYS }, (_, n) => `sbx-${String(n).padStart(43, '0')}`)
  const keys = Object.fromEntries(
    tokens.map((token, n) => [
      `k${n}`,
      { hash: createHash('sha256').update(token).digest('hex'), limits: { rpm: 60 } },
    ]),
  )
  return { tokens, keys: compile(snapshotOfSpecs({ keys }), new Map()).table.keys }
}

function median(name: string, work: (n: number, nowMs: number) => unknown): Figure {
  const medians: number[] = []
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const start = process.hrtime.bigint()
    for (let n = 0; n < REQUESTS; n++) work(n + round * REQUESTS + WARM_UP * REQUESTS, round)
    const us = Number(process.hrtime.bigint() - start) / REQUESTS / NS_PER_US
    if (round >= 0) medians.push(us)
  }
  return { name, value: quantile(medians, 0.5), unit: 'µs', better: 'less', most: MOST_US }
}

/** By a clock of its own, with a bus that is up to 40 ms late. */
function fleetError(): Figure {
  const random = seededRandom(1)
  const proxies = Array.from({ length: PROXIES }, (_, n) => new Limiter(`p${n}`))
  const late: { atMs: number; hear: (nowMs: number) => void }[] = []
  let through = 0
  for (let nowMs = 0; nowMs < MINUTES * MINUTE_MS; nowMs += STEP_MS) {
    while (late[0] && late[0].atMs <= nowMs) late.shift()?.hear(nowMs)
    for (const [n, proxy] of proxies.entries()) {
      const report = (nowMs + n * STEP_MS) % LEASE_MS === 0 ? proxy.endLeases(nowMs, false) : null
      if (report) {
        const hear = (at: number) => proxies.forEach((one) => one.hear(report, at))
        late.push({ atMs: nowMs + random() * 40, hear })
      }
      const asked = Math.floor((RPM * OVERLOAD * STEP_MS) / MINUTE_MS / PROXIES + random())
      for (let one = 0; one < asked; one++) {
        const admission = new Admission(proxy)
        if (admission.enter('key:k', { rpm: RPM }, nowMs)) continue
        admission.settle(0)
        through++
      }
    }
  }
  const ideal = RPM * (MINUTES + 1)
  return {
    name: `error of ${PROXIES} proxies at ${OVERLOAD} times the limit, ${MINUTES} minutes`,
    value: Math.abs(through - ideal) / ideal,
    unit: '',
    better: 'less',
    most: ERROR_MOST,
  }
}
