import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { type Server, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { type Socket } from 'node:net'
import { type Clock, listen, systemClock } from '@signalbox/host'
import { CERTIFICATE, KEY } from './certificate.ts'
import { type Answer, type CutHow, Faults, type FaultScope, Gate } from './mock-faults.ts'
import { handle, type Pieces, type Simulation } from './mock-handler.ts'

export interface MockBackendOptions {
  readonly host?: string
  readonly port?: number
  readonly models?: readonly string[]
  /** Bearer credential that all but /health asks for; without it the answer is 401. */
  readonly credential?: string
  /** Time between two events of a stream runs on this clock. */
  readonly clock?: Clock
  readonly eventIntervalMs?: number
  /** Behind TLS, with CERTIFICATE, which nobody trusts unless told to, and what it speaks there. */
  readonly tls?: 'http/1.1' | 'h2'
  /** Whether requests are kept for tests to look at and wait for. Not for long-lived processes. */
  readonly record?: boolean
}

export interface RecordedRequest {
  readonly method: string
  /** As it stood in the request line, query included. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** The bytes that came, untouched. */
  readonly body: Buffer
}

/**
 * A real HTTP server that answers as an OpenAI-compatible backend does, and fails on demand. Faults
 * hold until heal(), or for `times` requests; where several fit a request, the newest counts.
 */
export interface MockBackend {
  /** `http://127.0.0.1:port`, or https; the port stays the same through refuse() and accept(). */
  readonly url: string
  readonly port: number
  readonly requests: readonly RecordedRequest[]
  /** Resolves once this many requests (to this path) have been read, counted from the start. */
  requested(count?: number, path?: string): Promise<void>
  /** Resolves once clients have left this many answers unfinished, counted from the start. */
  disconnected(count?: number): Promise<void>
  /** Clients that left before their answer was whole. */
  readonly disconnects: number
  /** Connections that are open now, and ever were. */
  readonly connections: { readonly open: number; readonly total: number }
  /** Events of streams that the kernel took, and whole bodies. */
  readonly eventsSent: number

  setModels(models: readonly string[]): void
  requireCredential(secret: string | undefined): void
  /** Answers of so many pieces of this text; undefined: the words of the usual answer. */
  setPieces(pieces: Pieces | undefined): void

  failWith(status: number, more?: StatusFault): void
  /** 503, as servers answer while they load a model. */
  warmUp(scope?: FaultScope): void
  /** Reads the request and never answers. */
  hang(scope?: FaultScope): void
  /** RST once the request is read, before any byte of the answer. */
  reset(scope?: FaultScope): void
  /** Breaks a stream off after so many events, any other body in its middle. */
  cutAfter(events: number, more?: CutFault): void
  /** The whole answer, in pieces of so many bytes. */
  drip(bytes: number, scope?: FaultScope): void
  /** 200, but the length that is said is so many bytes more (below 0: less) than what comes. */
  misframe(bytesMore: number, scope?: FaultScope): void
  /** 200 and framed well, but no JSON: in a stream, in its events. */
  garble(scope?: FaultScope): void
  /** HTTP/2: GOAWAY in place of the answer, which no other stream than this one hears of. */
  goAway(scope?: FaultScope): void
  /** The test answers: for what no method here does. */
  answerWith(answer: Answer, scope?: FaultScope): void
  /** Ends all faults. Requests that hang already stay so. */
  heal(): void

  /** From now on an event of a stream, or the answer to a POST, goes out only if released. */
  holdEvents(): void
  /** Lets so many events out; all of them from now on if no number is given. */
  release(events?: number): void

  /** Stops to listen and breaks every connection: connecting is refused until accept(). */
  refuse(): Promise<void>
  accept(): Promise<void>
  stop(): Promise<void>
}

export type StatusFault = FaultScope & {
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}
/** `fin` where nothing is said. `clean`: the body ends as if it were whole; `silence`: never. */
export type CutFault = FaultScope & { readonly how?: CutHow }

const DEFAULT_MODELS = ['demo-small', 'demo-large']
const PORT_VARIABLE = 'SIGNALBOX_MOCK_PORT'
/** Long: a test that waits must not lose its connection to Node's idle timer. */
const KEEP_ALIVE_MS = 600_000

/** Starts a simulated backend on loopback. Rejects where the port is taken. */
export async function startMockBackend(options: MockBackendOptions = {}): Promise<MockBackend> {
  const backend = new SimulatedBackend(options)
  await backend.accept()
  return backend
}

/** Node's HTTP/2 hands out the same shapes, as far as the handler looks at them. */
function serverOf(
  tls: MockBackendOptions['tls'],
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const keeps = { keepAliveTimeout: KEEP_ALIVE_MS }
  if (tls === undefined) return createServer(keeps, serve)
  const own = { cert: CERTIFICATE, key: KEY }
  if (tls === 'http/1.1') return createTlsServer({ ...keeps, ...own }, serve)
  return createSecureServer(own, serve as never) as unknown as Server
}

interface Waiter {
  readonly holds: () => boolean
  readonly resolve: () => void
}

class SimulatedBackend implements MockBackend {
  readonly requests: RecordedRequest[] = []
  readonly connections = { open: 0, total: 0 }
  disconnects = 0
  readonly #host: string
  #port: number
  readonly #server: Server
  readonly #tls: MockBackendOptions['tls']
  readonly #simulation: Simulation
  readonly #sockets = new Set<Socket>()
  /** Connections that the peer has ended. */
  readonly #left = new WeakSet<Socket>()
  #waiters: Waiter[] = []

  constructor(options: MockBackendOptions) {
    this.#host = options.host ?? '127.0.0.1'
    this.#port = options.port ?? 0
    this.#simulation = {
      clock: options.clock ?? systemClock,
      eventIntervalMs: options.eventIntervalMs ?? 0,
      faults: new Faults(),
      gate: new Gate(),
      models: options.models ?? DEFAULT_MODELS,
      credential: options.credential,
      pieces: undefined,
      answers: 0,
      eventsSent: 0,
      onRequest: (request, body) => {
        if (options.record ?? true) this.#record(request, body)
      },
    }
    this.#tls = options.tls
    this.#server = serverOf(options.tls, (request, response) => this.#serve(request, response))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server.on(this.#tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.connections.open += 1
      this.connections.total += 1
      socket.on('close', () => (this.connections.open -= 1))
      // An end that follows a fault or refuse() is ours; the peer's comes as one of these.
      socket.once('end', () => this.#left.add(socket))
      socket.once('error', () => this.#left.add(socket))
    })
  }

  get url(): string {
    return `${this.#tls ? 'https' : 'http'}://${this.#host}:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  get eventsSent(): number {
    return this.#simulation.eventsSent
  }

  requested(count = 1, path?: string): Promise<void> {
    const fits = (request: RecordedRequest) => path === undefined || request.path === path
    return this.#until(() => this.requests.filter(fits).length >= count)
  }

  disconnected(count = 1): Promise<void> {
    return this.#until(() => this.disconnects >= count)
  }

  setModels(models: readonly string[]): void {
    this.#simulation.models = models
  }

  requireCredential(secret: string | undefined): void {
    this.#simulation.credential = secret
  }

  setPieces(pieces: Pieces | undefined): void {
    this.#simulation.pieces = pieces
  }

  failWith(status: number, { body, headers, ...scope }: StatusFault = {}): void {
    this.#simulation.faults.inject({ kind: 'status', status, body, headers }, scope)
  }

  warmUp(scope?: FaultScope): void {
    this.failWith(503, scope)
  }

  hang(scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'hang' }, scope)
  }

  reset(scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'reset' }, scope)
  }

  cutAfter(events: number, { how = 'fin', ...scope }: CutFault = {}): void {
    this.#simulation.faults.inject({ kind: 'cut', afterEvents: events, how }, scope)
  }

  drip(bytes: number, scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'drip', bytes }, scope)
  }

  misframe(bytesMore: number, scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'misframed', bytesMore }, scope)
  }

  garble(scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'garbled' }, scope)
  }

  goAway(scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'goaway' }, scope)
  }

  answerWith(answer: Answer, scope?: FaultScope): void {
    this.#simulation.faults.inject({ kind: 'custom', answer }, scope)
  }

  heal(): void {
    this.#simulation.faults.heal()
  }

  holdEvents(): void {
    this.#simulation.gate.hold()
  }

  release(events?: number): void {
    if (events === undefined) this.#simulation.gate.open()
    else this.#simulation.gate.release(events)
  }

  async refuse(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async accept(): Promise<void> {
    if (this.#server.listening) return
    const address = { kind: 'tcp', host: this.#host, port: this.#port } as const
    // listen() leaves one behind, each time.
    this.#server.removeAllListeners('error')
    const taken = await listen(this.#server, address, PORT_VARIABLE)
    if (taken.kind === 'tcp') this.#port = taken.port
  }

  stop(): Promise<void> {
    return this.refuse()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    // A client may be gone by the time it is answered; the end of its connection is what counts.
    response.on('error', () => undefined)
    response.once('close', () => {
      if (response.writableFinished || !this.#left.has(socket)) return
      this.disconnects += 1
      this.#changed()
    })
    void handle(this.#simulation, request, response)
  }

  #record(request: IncomingMessage, body: Buffer): void {
    const { method = '', url: path = '', headers, rawHeaders } = request
    this.requests.push({ method, path, headers, rawHeaders, body })
    this.#changed()
  }

  #until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ holds, resolve }))
  }

  #changed(): void {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(({ holds }) => !holds())
    for (const { holds, resolve } of waiters) if (holds()) resolve()
  }
}
