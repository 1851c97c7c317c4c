import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, less, quantile } from './figure.ts'
import { has, type Peer, startCanned, startHaproxy, startSignalbox } from './proxies.ts'

const run = promisify(execFile)
const ROUNDS = 5
const WARM_S = 3
const ROUND_S = 4
const CONNECTIONS = 32
const US_PER_S = 1e6
const MB = 1e6
const KB = 1_000
/** Bytes of a request's body, and what it may cost: in haproxies, in microseconds. */
const BODIES = [
  { name: '1.4 KB', bytes: 1_400, times: 2.6, us: undefined },
  { name: '30 KB', bytes: 30_000, times: undefined, us: 115 },
  { name: '200 KB', bytes: 200_000, times: undefined, us: 260 },
] as const
/** With a chunk of each every 10 ms: 24,000 chunks a second. */
const STREAMS = 240
const STREAMS_S = 5
const IDLE_STREAMS = 1_000

/**
 * What the proxy costs beside haproxy, in turns within one run: the processor by the operating
 * system's account over the requests that were answered, so that client and backend, which share
 * the cores, are not in it. Medians of the rounds; the first of each is thrown away.
 */
export async function performanceSuite(say: (line: string) => void): Promise<readonly Figure[]> {
  for (const command of ['wrk', 'haproxy']) {
    if (has(command)) continue
    say(`not measured: ${command} is not on PATH (apt-get install ${command})`)
    return []
  }
  const stops: (() => Promise<void>)[] = []
  const keep = async (starting: Promise<Peer>) => {
    const peer = await starting
    stops.unshift(() => peer.stop())
    return peer
  }
  try {
    const canned = await keep(startCanned())
    const haproxy = await keep(startHaproxy(canned.url))
    say('the product, with a key, limits and a thousand backends')
    const signalbox = await keep(startSignalbox(canned.url))
    const peers = [haproxy, signalbox] as const
    const idle = signalbox.rssBytes()
    const figures: Figure[] = []
    for (const body of BODIES) figures.push(...(await plain(peers, body, say)))
    const busy = signalbox.rssBytes()
    figures.push(...(await streams(peers, say)))
    return [
      ...figures,
      less('RSS before load', idle / MB, 'MB'),
      { ...less('RSS after load', busy / MB, 'MB'), most: 100 },
    ]
  } finally {
    for (const stop of stops) await stop()
  }
}

type Body = (typeof BODIES)[number]
type Say = (line: string) => void
type Peers = readonly [haproxy: Peer, signalbox: Peer]

interface Round {
  readonly cpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
}

async function plain(peers: Peers, body: Body, say: Say): Promise<readonly Figure[]> {
  say(`${ROUNDS} rounds of ${body.name}, ${CONNECTIONS} connections`)
  const rounds = new Map<Peer, Round[]>(peers.map((peer) => [peer, []]))
  for (const peer of peers) await load(peer, body.bytes, WARM_S)
  for (let nth = 0; nth < ROUNDS; nth++)
    for (const [peer, done] of rounds) done.push(await load(peer, body.bytes, ROUND_S))
  const middle = (peer: Peer, of: (round: Round) => number) =>
    quantile((rounds.get(peer) ?? []).map(of), 0.5)
  const [haproxy, signalbox] = peers
  const [floor, ours] = peers.map((peer) => middle(peer, ({ cpuUs }) => cpuUs)) as [number, number]
  const figures = peers.flatMap((peer) => [
    less(
      `${body.name}, ${peer.name}: CPU a request`,
      middle(peer, (one) => one.cpuUs),
      'µs',
    ),
    less(
      `${body.name}, ${peer.name}: latency, p50`,
      middle(peer, (one) => one.p50Ms),
      'ms',
    ),
    less(
      `${body.name}, ${peer.name}: latency, p99`,
      middle(peer, (one) => one.p99Ms),
      'ms',
    ),
  ])
  const spread = spreadOf((rounds.get(signalbox) ?? []).map(({ cpuUs }) => cpuUs))
  const failed = [haproxy, signalbox]
    .flatMap((peer) => rounds.get(peer) ?? [])
    .reduce((sum, one) => sum + one.failed, 0)
  const times = less(`${body.name}: times haproxy`, ours / floor, '')
  const cost = less(`${body.name}: CPU of ours`, ours, 'µs')
  return [
    ...figures,
    body.times === undefined ? times : { ...times, most: body.times },
    ...(body.us === undefined ? [] : [{ ...cost, most: body.us }]),
    less(`${body.name}: spread of ours over the rounds`, spread, ''),
    {
      ...{ name: `${body.name}: ours per core`, value: US_PER_S / ours, unit: 'requests/s' },
      ...{ better: 'more', ...(body.bytes < KB * 2 ? { least: 15_000 } : {}) },
    } as Figure,
    { ...less(`${body.name}: failed`, failed, 'requests'), most: 0 },
  ]
}

/** (largest - smallest) / median. */
function spreadOf(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / quantile(values, 0.5)
}

/** Runs wrk against a peer for so many seconds. */
async function load(peer: Peer, bytes: number, seconds: number): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-wrk-'))
  try {
    const script = join(folder, 'ask.lua')
    writeFileSync(script, scriptOf(peer, bodyOf(peer.model, bytes, false)))
    const before = peer.cpuSeconds()
    const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', script, '--latency']
    const { stdout } = await run('wrk', [...args, `${peer.url}/v1/chat/completions`])
    const cpu = peer.cpuSeconds() - before
    const requests = numberIn(stdout, /(\d+) requests in/)
    return {
      cpuUs: (cpu / requests) * US_PER_S,
      p50Ms: durationIn(stdout, '50%'),
      p99Ms: durationIn(stdout, '99%'),
      failed: numberIn(stdout, /Non-2xx or 3xx responses: (\d+)/, 0),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function bodyOf(model: string, bytes: number, stream: boolean): string {
  const empty = JSON.stringify({ model, stream, messages: [{ role: 'user', content: '' }] })
  const content = 'word '.repeat(Math.ceil(bytes / 5)).slice(0, bytes - empty.length)
  return JSON.stringify({ model, stream, messages: [{ role: 'user', content }] })
}

function scriptOf({ headers }: Peer, body: string): string {
  const lines = Object.entries({ 'content-type': 'application/json', ...headers })
  return [
    'wrk.method = "POST"',
    ...lines.map(
      ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
    ),
    `wrk.body = ${JSON.stringify(body)}`,
  ].join('\n')
}

function numberIn(text: string, pattern: RegExp, none = NaN): number {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? none : Number(found)
}

const UNITS_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 }

function durationIn(text: string, quantileName: string): number {
  const [, value, unit = ''] = new RegExp(`${quantileName} +([\\d.]+)(us|ms|s)`).exec(text) ?? []
  return Number(value) * (UNITS_MS[unit] ?? NaN)
}

async function streams(peers: Peers, say: Say): Promise<readonly Figure[]> {
  const costs = new Map<Peer, number[]>(peers.map((peer) => [peer, []]))
  say(`${STREAMS} streams, a chunk of each every 10 ms`)
  for (let nth = 0; nth < 3; nth++)
    for (const [peer, done] of costs) done.push(await chunkCost(peer))
  const [haproxy, signalbox] = peers.map((peer) => quantile(costs.get(peer) ?? [], 0.5)) as [
    number,
    number,
  ]
  say(`${IDLE_STREAMS} open streams`)
  const [, ours] = peers
  const held = await openStreams(ours, IDLE_STREAMS)
  await wait(1_000)
  const rss = ours.rssBytes()
  const open = held.filter((socket) => !socket.destroyed).length
  for (const socket of held) socket.destroy()
  return [
    less('a relayed chunk, haproxy: CPU', haproxy, 'µs'),
    less('a relayed chunk, signalbox: CPU', signalbox, 'µs'),
    { ...less('a relayed chunk: times haproxy', signalbox / haproxy, ''), most: 1.5 },
    { ...less(`RSS with ${IDLE_STREAMS} open streams`, rss / MB, 'MB'), most: 100 },
    { name: 'of them open', value: open, unit: '', better: 'more', least: IDLE_STREAMS },
  ]
}

/** Microseconds of the processor for each chunk that came through. */
async function chunkCost(peer: Peer): Promise<number> {
  const sockets = await openStreams(peer, STREAMS)
  let bytes = 0
  for (const socket of sockets) socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
  await wait(1_000)
  bytes = 0
  const before = peer.cpuSeconds()
  await wait(STREAMS_S * 1_000)
  const cpu = peer.cpuSeconds() - before
  const chunks = bytes / CHUNK_BYTES
  for (const socket of sockets) socket.destroy()
  await wait(500)
  return (cpu / chunks) * US_PER_S
}

/** As the backend sends one, with its frame: what a proxy makes of it may differ by a few bytes. */
const CHUNK_BYTES = 185

async function openStreams(peer: Peer, count: number): Promise<readonly Socket[]> {
  const { hostname, port } = new URL(peer.url)
  const body = bodyOf(peer.model, 1_400, true)
  const headers = Object.entries({
    host: `${hostname}:${port}`,
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...peer.headers,
  })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const text = `POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n${body}`
  const sockets: Socket[] = []
  for (let nth = 0; nth < count; nth++) {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(text)
    sockets.push(socket)
  }
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  return sockets
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
