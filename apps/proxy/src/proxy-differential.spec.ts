// 1,000 requests and answers, once straight to a backend and once through the proxy: what arrives
// is the same at either end, byte for byte, and so are the headers that go from end to end.
import { Agent, createServer, request, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { type Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type Pair, pairOf } from './differential-harness.ts'
import { apply, base, proxy, start, useProxy } from './proxy-harness.ts'

useProxy()

const PAIRS = 1_000
const LANES = 8
/** The proxy's own, and what belongs to one connection. */
const OWN = /^x-signalbox-|^x-request-id$/
const HOP = ['connection', 'keep-alive', 'transfer-encoding', 'date', 'host', 'user-agent']

interface Heard {
  readonly headers: readonly string[]
  readonly body: Buffer
}

let server: Server
let direct: string
/** What the backend got, by pair: straight, then through the proxy. */
const got = new Map<string, Heard[]>()
/** Those that are under way. */
const pairs = new Map<string, Pair>()
const NO_ANSWER = { status: 599, headers: [], body: Buffer.alloc(0), pieces: undefined }
let agent: Agent

beforeEach(async () => {
  server = createServer((asked, answer) => {
    void buffer(asked).then((body) => {
      const key = String(asked.headers['idempotency-key'])
      got.set(key, [...(got.get(key) ?? []), { headers: endToEnd(asked.rawHeaders), body }])
      const { status, headers, ...written } = pairs.get(key)?.answer ?? NO_ANSWER
      answer.writeHead(status, headers.flat())
      return write(answer, written)
    })
  })
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  direct = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  agent = new Agent({ keepAlive: true, maxSockets: LANES })
  await proxy.stop()
  await start({ bodyBytesMax: 4_000_000 })
  await apply('policy', 'default', { breaker: { enabled: false } })
  await apply('backend', 'b1', { kind: 'openai-compatible', url: direct, models: ['m1'] })
})
afterEach(() => {
  agent.destroy()
  server.closeAllConnections()
  server.close()
})

/** In pieces, each in a turn of its own, so that they travel as such; or in one. */
async function write(to: Writable, { body, pieces }: Pick<Pair, 'body' | 'pieces'>): Promise<void> {
  if (pieces === undefined) return void to.end(body)
  for (let at = 0; at < body.length; at += pieces) {
    await new Promise((resolve) => to.write(body.subarray(at, at + pieces), resolve))
    await new Promise(setImmediate)
  }
  to.end()
}

function ask(url: string, pair: Pair): Promise<Heard & { readonly status: number }> {
  const { path, headers, body, pieces } = pair
  const length = pieces === undefined ? ['Content-Length', String(body.length)] : []
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, {
      ...{ method: 'POST', agent, headers: ['Host', 'h', ...headers.flat(), ...length] },
    })
    asked.on('error', reject).on('response', (answer) => {
      buffer(answer).then(
        (bytes) =>
          resolve({
            ...{
              status: answer.statusCode ?? 0,
              headers: endToEnd(answer.rawHeaders),
              body: bytes,
            },
          }),
        reject,
      )
    })
    void write(asked, pair)
  })
}

/** By name, and with the name as nobody's taste has it. */
function endToEnd(raw: readonly string[]): readonly string[] {
  const lines = raw.flatMap((name, at) =>
    at % 2 === 0 ? [`${name.toLowerCase()}: ${raw[at + 1]}`] : [],
  )
  const isOurs = (line: string) => {
    const name = line.slice(0, line.indexOf(':'))
    return HOP.includes(name) || OWN.test(name)
  }
  return lines.filter((line) => !isOurs(line)).toSorted()
}

/** How a body is framed is each connection's own affair. */
function unframed({ headers, ...rest }: Heard): Heard {
  return { ...rest, headers: headers.filter((line) => !line.startsWith('content-length:')) }
}

/** A stream is asked for in clear: of a compressed one nobody can see whether it came whole. */
function withoutEncoding({ headers, ...rest }: Heard): Heard {
  expect(headers).toContain('accept-encoding: identity')
  return { ...rest, headers: headers.filter((line) => line !== 'accept-encoding: identity') }
}

function digest<Some extends Heard>({ body, ...rest }: Some) {
  return { ...rest, bytes: body.length, start: body.subarray(0, 64).toString('latin1') }
}

function expectSame(one: Heard, other: Heard, n: number): void {
  const [a, b] = [unframed(one), unframed(other)]
  expect([n, digest(b)]).toEqual([n, digest(a)])
  // Not toEqual: a megabyte is compared in no time, and its difference is nothing to read.
  expect([n, a.body.equals(b.body)]).toEqual([n, true])
}

it(`${PAIRS} requests and answers pass as they are`, async () => {
  let next = 0
  let bytes = 0
  const lane = async () => {
    while (next < PAIRS) {
      const n = next++
      const pair = pairOf(n)
      pairs.set(`pair-${n}`, pair)
      const straight = await ask(direct, pair)
      const through = await ask(base, pair)
      expectSame(straight, through, n)
      const [one, other, ...more] = got.get(`pair-${n}`) ?? []
      got.delete(`pair-${n}`)
      pairs.delete(`pair-${n}`)
      if (!one || !other) throw new Error(`pair ${n} did not come twice`)
      expect(more).toEqual([])
      expectSame(one, pair.stream ? withoutEncoding(other) : other, n)
      expect(one.body.equals(pair.body)).toBe(true)
      expect(straight.body.equals(pair.answer.body)).toBe(true)
      bytes += pair.body.length + pair.answer.body.length
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  expect(next).toBe(PAIRS)
  expect(bytes).toBeGreaterThan(10_000_000)
})
