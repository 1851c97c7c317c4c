// The one file that knows OpenTelemetry's library. Imported late: see tracing.ts.
import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer as OtelTracer,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Attributes, Span, SpanStart, Tracer, TracerOptions } from './tracing.ts'
import { VERSION } from './version.ts'

/** Spans that wait to be sent; what is over it is left out. */
const WAITING_MAX = 8_192
const BATCH_MAX = 512
const SEND_EVERY_MS = 2_000
const SEND_MS_MAX = 10_000
const STOP_MS_MAX = 2_000
const MS_PER_S = 1_000
const NS_PER_MS = 1_000_000
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const UNKNOWN_VERSION = 'ff'
const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

/** `spans` counts what was sent and what could not be. */
export function createTracer(options: TracerOptions): Tracer {
  const { url, serviceName, ratio, parentBased, resource } = options
  const root = new TraceIdRatioBasedSampler(ratio)
  const processor = new BatchSpanProcessor({
    exporter: counted(new OTLPTraceExporter({ url, timeoutMillis: SEND_MS_MAX }), options),
    maxQueueSize: WAITING_MAX,
    maxExportBatchSize: BATCH_MAX,
    scheduledDelayMillis: SEND_EVERY_MS,
    exportTimeoutMillis: SEND_MS_MAX,
  })
  const named = { 'service.version': VERSION, ...resource, 'service.name': serviceName }
  const provider = new TracerProvider({
    sampler: parentBased ? new ParentBasedSampler({ root }) : root,
    resource: detectResources({ detectors: [envDetector] }).merge(resourceFromAttributes(named)),
    spanProcessors: [processor],
  })
  const tracer = provider.getTracer('signalbox', VERSION)
  return { start: (span) => start(tracer, span), stop: () => stop(provider) }
}

/** A receiver that is gone, or takes its time, does not hold up the end of the process. */
async function stop(provider: TracerProvider): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, STOP_MS_MAX)
  // What could not be sent has been counted.
  await Promise.race([provider.shutdown().catch(() => {}), late])
  clearTimeout(timer)
}

function start(tracer: OtelTracer, { name, kind, atMs, parent, attributes }: SpanStart): Span {
  const context = contextOf(parent)
  const startTime = timeOf(atMs)
  const said = attributes ? { attributes: known(attributes) } : {}
  const span = tracer.startSpan(name, { kind: KINDS[kind], startTime, ...said }, context)
  return new Started(span, context === ROOT_CONTEXT)
}

class Started implements Span {
  readonly isRoot: boolean
  readonly recording: boolean
  readonly otel: OtelSpan

  constructor(otel: OtelSpan, isRoot: boolean) {
    this.otel = otel
    this.isRoot = isRoot
    this.recording = otel.isRecording()
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.otel.spanContext()
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  }

  set(attributes: Attributes): void {
    this.otel.setAttributes(known(attributes))
  }

  end({ atMs, error }: { readonly atMs: number; readonly error?: string | undefined }): void {
    if (error !== undefined) {
      this.otel.setAttribute('error.type', error)
      this.otel.setStatus({ code: SpanStatusCode.ERROR })
    }
    this.otel.end(timeOf(atMs))
  }
}

function contextOf(parent: SpanStart['parent']): Context {
  if (parent instanceof Started) return trace.setSpan(ROOT_CONTEXT, parent.otel)
  const remote = typeof parent === 'string' ? parsed(parent) : undefined
  return remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT
}

/** Undefined where it is none: then a trace of our own begins. */
function parsed(traceparent: string): SpanContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] =
    TRACEPARENT.exec(traceparent.trim()) ?? []
  // A later version may have more behind it; ours has not.
  if (version === undefined || version === UNKNOWN_VERSION) return undefined
  if (version === '00' && more !== undefined) return undefined
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(context) ? context : undefined
}

/** Exact whatever the number: the library takes small ones for another clock's. */
function timeOf(ms: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(ms / MS_PER_S)
  return [seconds, Math.round((ms - seconds * MS_PER_S) * NS_PER_MS)]
}

function known(attributes: Attributes): Record<string, string | number | boolean | string[]> {
  const all: Record<string, string | number | boolean | string[]> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) all[name] = value as string | number | boolean | string[]
  }
  return all
}

function counted(exporter: OTLPTraceExporter, { spans }: TracerOptions): SpanExporter {
  return {
    export: (all: ReadableSpan[], done) =>
      exporter.export(all, (result) => {
        spans?.inc({ outcome: result.code === 0 ? 'sent' : 'failed' }, all.length)
        done(result)
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  }
}
