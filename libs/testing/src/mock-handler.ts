import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Cancel, type Clock } from '@signalbox/host'
import * as answers from './mock-answers.ts'
import { answerBroken, breakOff, goAway } from './mock-broken.ts'
import { type Fault, type Faults, type Gate } from './mock-faults.ts'

/** Pieces of a stream in place of the words of the usual answer. */
export interface Pieces {
  readonly count: number
  readonly text: string
}

/** What the handler reads and counts; the backend's methods change it while requests run. */
export interface Simulation {
  readonly clock: Clock
  readonly eventIntervalMs: number
  readonly faults: Faults
  readonly gate: Gate
  models: readonly string[]
  credential: string | undefined
  pieces: Pieces | undefined
  answers: number
  eventsSent: number
  /** Called once a request has been read in full, before it is answered. */
  onRequest(request: IncomingMessage, body: Buffer): void
}

interface Exchange {
  readonly simulation: Simulation
  readonly path: string
  readonly method: string
  readonly response: ServerResponse
  readonly body: Buffer
  readonly cut: Cut | undefined
  /** Bytes that are written at once; undefined: all that there are. */
  readonly drip?: number | undefined
}

type Cut = Extract<Fault, { kind: 'cut' }>

const BODY_BYTES_MAX = 64 * 1024 * 1024
const MODELS_PATH = '/v1/models'
const HEALTH_PATH = '/health'
const WARMING_UP = JSON.stringify(answers.errorAnswer('The model is being loaded.'))
const MS_PER_S = 1_000

/** Reads one request and answers it, or does what the fault that it meets says. */
export async function handle(
  simulation: Simulation,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request)
  if (body === undefined) return void response.destroy()
  const path = (request.url ?? '').split('?')[0] ?? ''
  const fault = simulation.faults.take(path)
  simulation.onRequest(request, body)
  response.setHeader('x-simulated', 'true')
  const method = request.method ?? ''
  const exchange = { simulation, path, method, response, body, cut: undefined }
  if (!fault) return answer(exchange)
  switch (fault.kind) {
    case 'hang':
      return
    case 'reset':
      return breakOff(response, 'reset')
    case 'goaway':
      return goAway(response)
    case 'custom':
      return fault.answer(request, response)
    case 'status':
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
      return void response.end(fault.body ?? statusBody(fault.status))
    case 'cut':
      return answer({ ...exchange, cut: fault })
    case 'drip':
      return answer({ ...exchange, drip: fault.bytes })
    case 'misframed':
    case 'garbled':
      return answerBroken(fault, response, answers.readPrompt(parseJson(body))?.stream === true)
  }
}

function statusBody(status: number): string {
  if (status === 503) return WARMING_UP
  return JSON.stringify(answers.errorAnswer(`The simulated backend fails with ${status}.`))
}

/** The whole body; undefined where the client left before its end or it is too large. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > BODY_BYTES_MAX) return undefined
      parts.push(part)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(parts)
}

async function answer(exchange: Exchange): Promise<void> {
  const { simulation, path, method } = exchange
  const { models, credential, clock } = simulation
  if (path === HEALTH_PATH) return sendJson(exchange, 200, { status: 'ok', simulated: true })
  if (credential !== undefined && !isAuthorized(exchange.response, credential)) {
    return sendError(exchange, 401, { message: 'Incorrect API key.', code: 'invalid_api_key' })
  }
  const createdS = Math.floor(clock.nowMs() / MS_PER_S)
  if (method === 'GET' && path === MODELS_PATH) {
    return sendJson(exchange, 200, answers.modelList(models, createdS))
  }
  if (method === 'GET' && path.startsWith(`${MODELS_PATH}/`)) {
    const name = path.slice(MODELS_PATH.length + 1)
    const id = models.find((model) => model === name || encodeURIComponent(model) === name)
    if (id === undefined) return sendNoModel(exchange, name)
    return sendJson(exchange, 200, answers.modelEntry(id, createdS))
  }
  if (method === 'POST') return infer(exchange, createdS)
  return sendError(exchange, 404, { message: `There is no ${method} ${path}.` })
}

function isAuthorized(response: ServerResponse, credential: string): boolean {
  return response.req.headers.authorization === `Bearer ${credential}`
}

async function infer(exchange: Exchange, createdS: number): Promise<void> {
  const { simulation, path } = exchange
  const body = parseJson(exchange.body)
  const prompt = answers.readPrompt(body)
  if (!prompt) return sendError(exchange, 400, { message: 'The body names no model.' })
  if (!simulation.models.includes(prompt.model)) return sendNoModel(exchange, prompt.model)
  if (path === '/v1/embeddings') return sendJson(exchange, 200, answers.embeddings(body))
  const shape = SHAPES.get(path)
  if (!shape) return sendError(exchange, 404, { message: `There is no POST ${path}.` })
  simulation.answers += 1
  const id = `${shape.idPrefix}${simulation.answers}`
  const reply = { id, createdS, pieces: pieces(simulation, prompt) }
  if (!prompt.stream) return sendJson(exchange, 200, answers.answer(shape, prompt, reply))
  return sendStream(exchange, answers.streamEvents(shape, prompt, reply))
}

const SHAPES = new Map([
  ['/v1/chat/completions', answers.CHAT],
  ['/v1/completions', answers.COMPLETION],
])

function pieces({ pieces }: Simulation, prompt: answers.Prompt): readonly string[] {
  if (pieces) return Array.from({ length: pieces.count }, () => pieces.text)
  return answers.words(answers.replyText(prompt))
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

function sendNoModel(exchange: Exchange, model: string): Promise<void> {
  const message = `The model ${model} does not exist.`
  return sendError(exchange, 404, { message, code: 'model_not_found' })
}

function sendError(
  exchange: Exchange,
  status: number,
  { message, code = null }: { message: string; code?: string | null },
): Promise<void> {
  return sendJson(exchange, status, answers.errorAnswer(message, code))
}

/** A body in one piece: the gate counts it as one event, a cut breaks it in the middle. */
async function sendJson(exchange: Exchange, status: number, body: object): Promise<void> {
  const { response, cut, simulation } = exchange
  const bytes = Buffer.from(JSON.stringify(body))
  if (exchange.method === 'POST') await passGate(exchange)
  if (response.destroyed) return
  const type = 'application/json'
  if (!cut) {
    response.writeHead(status, { 'content-type': type, 'content-length': bytes.length })
    // A probe's look at the list of models is none: it comes at any time.
    if (exchange.method === 'POST') simulation.eventsSent += 1
    if (exchange.drip !== undefined) await write(exchange, bytes)
    return void response.end(exchange.drip === undefined ? bytes : undefined)
  }
  if (cut.how === 'clean') {
    // Delimited by the connection's end alone: the cut cannot be seen from the framing.
    response.removeHeader('transfer-encoding')
    response.writeHead(status, { 'content-type': type, connection: 'close' })
  } else {
    response.writeHead(status, { 'content-type': type, 'content-length': bytes.length })
  }
  await write(exchange, bytes.subarray(0, bytes.length >> 1))
  breakOff(response, cut.how)
}

async function sendStream(exchange: Exchange, events: Iterable<string>): Promise<void> {
  const { simulation, response, cut } = exchange
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  })
  response.flushHeaders()
  let sent = 0
  for (const event of events) {
    if (sent === cut?.afterEvents) return breakOff(response, cut.how)
    if (sent > 0) await passInterval(exchange)
    await passGate(exchange)
    if (response.destroyed) return
    await write(exchange, Buffer.from(event))
    sent += 1
    simulation.eventsSent += 1
  }
  response.end()
}

/** Resolves once the bytes are with the kernel: a slow reader holds the stream up. */
async function write({ response, drip }: Exchange, bytes: Uint8Array): Promise<void> {
  const piece = drip ?? bytes.length
  for (let at = 0; at < bytes.length && !response.destroyed; at += piece) {
    await untilClosed(response, (done) => {
      response.write(bytes.subarray(at, at + piece), done)
      return () => undefined
    })
    if (drip !== undefined) await new Promise(setImmediate)
  }
}

function passGate({ response, simulation }: Exchange): Promise<void> {
  return untilClosed(response, (done) => simulation.gate.enter(done))
}

async function passInterval({ response, simulation }: Exchange): Promise<void> {
  const { clock, eventIntervalMs } = simulation
  if (eventIntervalMs === 0) return
  await untilClosed(response, (done) => clock.after(eventIntervalMs, done))
}

/** Resolves when what was begun is done, or gives it up when the client leaves. */
function untilClosed(response: ServerResponse, begin: (done: () => void) => Cancel): Promise<void> {
  if (response.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const leave = () => {
      cancel()
      resolve()
    }
    response.once('close', leave)
    const cancel = begin(() => {
      response.off('close', leave)
      resolve()
    })
  })
}
