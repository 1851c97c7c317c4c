import { ConfigError, type Env, type Parse, readVariable, type Variable } from './env.ts'
import { type Counter } from './metrics.ts'

/*
 * Spans of OpenTelemetry, sent by OTLP over HTTP. A process that nobody told where to send them
 * never loads the library: `openTracer` imports it late, and all others ask whether there is one.
 */

export interface TracingConfig {
  /** Where OTLP is posted to: the whole URL. */
  readonly url: string
  readonly serviceName: string
  /** Share of traces that begin here and are kept, 0 to 1. */
  readonly ratio: number
  /** Whether a caller that has decided already decides for us. */
  readonly parentBased: boolean
}

export type Attribute = string | number | boolean | readonly string[]
export type Attributes = Readonly<Record<string, Attribute | undefined>>

export interface SpanStart {
  readonly name: string
  readonly kind: 'server' | 'client' | 'internal'
  /** Milliseconds of the wall clock. */
  readonly atMs: number
  /** W3C `traceparent` of another process, or a span of ours; what cannot be read is none. */
  readonly parent?: string | Span | undefined
  readonly attributes?: Attributes
}

export interface Span {
  /** Whether it will be sent: what is only for it need not be gathered otherwise. */
  readonly recording: boolean
  /** For whoever is called, W3C. */
  readonly traceparent: string
  /** Whether its trace began with it: then what came with it as `tracestate` is nobody's. */
  readonly isRoot: boolean
  set(attributes: Attributes): void
  /** Once. `error`: what went wrong, as a word with few values. */
  end(end: { readonly atMs: number; readonly error?: string | undefined }): void
}

export interface Tracer {
  start(span: SpanStart): Span
  /** Sends what is left. */
  stop(): Promise<void>
}

export interface TracerOptions extends TracingConfig {
  /** Further attributes of the process. */
  readonly resource: Readonly<Record<string, string>>
  readonly spans?: Counter<'outcome'> | undefined
}

/** Loads the library. */
export async function openTracer(options: TracerOptions): Promise<Tracer> {
  const { createTracer } = await import('./otel.ts')
  return createTracer(options)
}

const url: Parse<string> = (text) => {
  const good = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
  return good ? text : undefined
}
const HTTP = 'an http:// or https:// URL'
const ENDPOINT: Variable<string> = {
  name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  shape: `${HTTP} below which /v1/traces is`,
  parse: url,
}
const TRACES_ENDPOINT: Variable<string> = {
  name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  shape: HTTP,
  parse: url,
}
const oneOf = <Value extends string>(name: string, all: readonly Value[]): Variable<Value> => ({
  name,
  shape: all.join(', '),
  parse: (text) => all.find((one) => one === text),
})
const PROTOCOLS = ['http/json'] as const
const PROTOCOL = oneOf('OTEL_EXPORTER_OTLP_PROTOCOL', PROTOCOLS)
const TRACES_PROTOCOL = oneOf('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', PROTOCOLS)
const EXPORTER = oneOf('OTEL_TRACES_EXPORTER', ['otlp', 'none'])
const DISABLED = oneOf('OTEL_SDK_DISABLED', ['true', 'false'])
const PARENT_BASED = 'parentbased_'
const SAMPLER = oneOf('OTEL_TRACES_SAMPLER', [
  ...(['always_on', 'always_off', 'traceidratio'] as const),
  ...(['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const),
])
const SAMPLER_ARG: Variable<number> = {
  name: 'OTEL_TRACES_SAMPLER_ARG',
  shape: 'a number from 0 to 1',
  parse: (text) => (/^(?:0(?:\.\d+)?|1(?:\.0+)?|\.\d+)$/.test(text) ? Number(text) : undefined),
}
const SERVICE_NAME: Variable<string> = {
  name: 'OTEL_SERVICE_NAME',
  shape: 'a name',
  parse: (text) => (text === '' ? undefined : text),
}

/** Null: nobody said where spans are sent, or that none shall be. Throws ConfigError. */
export function readTracing(env: Env, serviceName: string): TracingConfig | null {
  const traces = readVariable(env, TRACES_ENDPOINT)
  const base = readVariable(env, ENDPOINT)
  const to = traces ?? (base && `${base.replace(/\/+$/, '')}/v1/traces`)
  const isOff = readVariable(env, DISABLED) === 'true' || readVariable(env, EXPORTER) === 'none'
  if (to === undefined || isOff) return null
  readVariable(env, PROTOCOL)
  readVariable(env, TRACES_PROTOCOL)
  const sampler = readVariable(env, SAMPLER) ?? 'parentbased_always_on'
  const share = readVariable(env, SAMPLER_ARG)
  const how = sampler.replace(PARENT_BASED, '')
  if (how !== 'traceidratio' && share !== undefined) {
    const message = `${SAMPLER_ARG.name} is set, and ${SAMPLER.name} is ${sampler}; expected`
    throw new ConfigError(`${message} traceidratio or parentbased_traceidratio`)
  }
  return {
    url: to,
    serviceName: readVariable(env, SERVICE_NAME) ?? serviceName,
    ratio: how === 'always_on' ? 1 : how === 'always_off' ? 0 : (share ?? 1),
    parentBased: sampler.startsWith(PARENT_BASED),
  }
}
