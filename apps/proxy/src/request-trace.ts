import { Counter, openTracer, type Clock, type Metrics, type Span } from '@signalbox/host'
import { type Tracer } from '@signalbox/host'
import { type AttemptRecord, CODES, type FailureCode, type Kind } from '@signalbox/model'
import { MODEL_RECORDED_MAX } from '@signalbox/model'
import { type ProxyConfig } from './config.ts'
import { type Live } from './live-backend.ts'
import { type Accepted, type Passage } from './passage.ts'

/*
 * One trace a request: a span of the request, one of each attempt below it, and below that when a
 * connection was there and when the first byte came. The names are those of OpenTelemetry's
 * conventions for HTTP and for generative AI. No prompt, no answer and no header is in them.
 */

/** As the conventions name who is called; what they have no word for has the kind's own. */
const PROVIDERS: Partial<Record<Kind, string>> = {
  'azure-openai': 'azure.ai.openai',
  gemini: 'gcp.gemini',
}
const OPERATIONS: Readonly<Record<string, string>> = {
  completions: 'text_completion',
  responses: 'chat',
}
const SERVER_ERROR = 500

/** Null where nobody is told: nothing of the library is loaded then. */
export async function openProxyTracer(
  { tracing, id, fleet }: Pick<ProxyConfig, 'tracing' | 'id' | 'fleet'>,
  metrics: Metrics,
): Promise<Tracer | null> {
  if (!tracing) return null
  const spans = new Counter({
    name: 'signalbox_trace_spans_total',
    help: 'Spans that were sent to the receiver of traces, and those that could not be',
    labelNames: ['outcome'],
    registers: [metrics],
  })
  const resource = { 'service.namespace': fleet, 'service.instance.id': id }
  return openTracer({ ...tracing, resource, spans })
}

type Ended = Required<Pick<AttemptRecord, 'outcome' | 'hedge'>>

export interface AttemptTrace {
  readonly span: Span
  /** Names and values that the backend gets in place of the client's. */
  readonly traceparent: string
  /** The request was given to a connection. */
  connected(): void
  firstByte(status: number): void
  end(ended: Ended): void
}

export class RequestTrace {
  readonly #tracer: Tracer
  readonly #clock: Clock
  readonly #span: Span

  constructor(tracer: Tracer, clock: Clock, { request, operation }: Accepted) {
    const { traceparent } = request.headers
    this.#tracer = tracer
    this.#clock = clock
    this.#span = tracer.start({
      name: `${operation.method} ${operation.path}`,
      kind: 'server',
      atMs: clock.nowMs(),
      parent: typeof traceparent === 'string' ? traceparent : undefined,
    })
  }

  /** Whether the client's own `tracestate` belongs to another trace than this one. */
  get isRoot(): boolean {
    return this.#span.isRoot
  }

  /** An attempt begins. */
  attempt(passage: Passage, live: Live, model: string): AttemptTrace {
    const span = this.#span
    if (!span.recording) return unrecorded(span)
    return new Trying(this.#tracer, this.#clock, { passage, live, model, span })
  }

  /** The request is over, and the passage says how. */
  end(passage: Passage, status: number): void {
    if (!this.#span.recording) return
    const { operation, request, code, tokens } = passage
    this.#span.set({
      'http.request.method': request.method ?? '',
      'http.route': operation.path,
      'url.scheme': 'http',
      'http.response.status_code': status,
      'gen_ai.operation.name': operationName(operation),
      'gen_ai.request.model': passage.model?.slice(0, MODEL_RECORDED_MAX),
      'gen_ai.usage.input_tokens': tokens.prompt ?? undefined,
      'gen_ai.usage.output_tokens': tokens.completion ?? undefined,
      'signalbox.request_id': passage.requestId,
      'signalbox.key': passage.key?.id,
      'signalbox.route': passage.route?.id,
      'signalbox.fallback': passage.fallback ?? undefined,
      'signalbox.backend': passage.live?.id,
      'signalbox.attempts': passage.attempts,
      'signalbox.cache': passage.cache ?? undefined,
      'signalbox.revision': passage.routing?.table.head.revision,
      'signalbox.code': code ?? undefined,
    })
    const bad = status >= SERVER_ERROR || (code && isServerFault(code))
    this.#span.end({ atMs: this.#clock.nowMs(), error: bad ? (code ?? String(status)) : undefined })
  }
}

function operationName({ name, chat }: Accepted['operation']): string {
  return chat ? 'chat' : (OPERATIONS[name] ?? name)
}

/** By the conventions what a client did wrong is no error of its server. */
function isServerFault(code: FailureCode): boolean {
  return CODES[code].status >= SERVER_ERROR
}

interface Begun {
  readonly passage: Passage
  readonly live: Live
  readonly model: string
  readonly span: Span
}

class Trying implements AttemptTrace {
  readonly span: Span
  readonly #tracer: Tracer
  readonly #clock: Clock
  readonly #startMs: number
  #connectedMs: number | undefined
  #firstByteMs: number | undefined
  #status = 0

  constructor(tracer: Tracer, clock: Clock, { passage, live, model, span }: Begun) {
    const { operation } = passage
    const { kind, url } = live.backend.spec
    const { hostname, port, protocol } = new URL(url)
    const name = operationName(operation)
    this.#tracer = tracer
    this.#clock = clock
    this.#startMs = clock.nowMs()
    this.span = tracer.start({
      name: `${name} ${model}`,
      kind: 'client',
      atMs: this.#startMs,
      parent: span,
      attributes: {
        'gen_ai.operation.name': name,
        'gen_ai.provider.name': PROVIDERS[kind] ?? kind,
        'gen_ai.request.model': model,
        'server.address': hostname,
        'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
        'http.request.method': operation.method,
        'signalbox.backend': live.id,
      },
    })
  }

  get traceparent(): string {
    return this.span.traceparent
  }

  connected(): void {
    this.#connectedMs ??= this.#clock.nowMs()
  }

  firstByte(status: number): void {
    this.#status = status
    this.#firstByteMs ??= this.#clock.nowMs()
  }

  end({ outcome, hedge }: Ended): void {
    const status = this.#status
    const phase = (name: string, atMs: number, endMs: number | undefined) => {
      if (endMs === undefined) return
      const span = this.#tracer.start({ name, kind: 'internal', atMs, parent: this.span })
      span.end({ atMs: endMs })
    }
    phase('connect', this.#startMs, this.#connectedMs)
    phase('first byte', this.#connectedMs ?? this.#startMs, this.#firstByteMs)
    this.span.set({
      'http.response.status_code': status > 0 ? status : undefined,
      'signalbox.outcome': outcome,
      'signalbox.hedge': hedge,
    })
    const refused = status >= 400 ? String(status) : undefined
    // One that was outrun is no fault of anybody's.
    const failed = outcome === 'answered' || outcome === 'outrun' ? refused : outcome
    this.span.end({ atMs: this.#clock.nowMs(), error: failed })
  }
}

/** The trace goes on beyond us, and none of it is kept here. */
function unrecorded(span: Span): AttemptTrace {
  const nothing = () => {}
  const { traceparent } = span
  return { span, traceparent, connected: nothing, firstByte: nothing, end: nothing }
}
