import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Operation } from '@signalbox/dialects'
import { type Clock, type Log, type Tracer } from '@signalbox/host'
import {
  type AttemptRecord,
  type Failure,
  type FailureCode,
  type Price,
  type Tokens,
} from '@signalbox/model'
import {
  type Admission,
  type CompiledKey,
  type CompiledRoute,
  type Refused,
} from '@signalbox/routing'
import { type AccessLog } from './access-log.ts'
import { type Bag } from './bag.ts'
import { type AnswerCache, type CacheResult } from './cache/answer-cache.ts'
import { type Recorder } from './cache/recorder.ts'
import { type BodyBudget } from './body-budget.ts'
import { type BodyScan } from './body-scan.ts'
import { type Edit } from './body-splice.ts'
import { type Configuration, type Routing } from './configuration.ts'
import { type Exchange } from './exchange.ts'
import { downstream } from './failures.ts'
import { type Hedges } from './hedge.ts'
import { type KeepAlive } from './keep-alive.ts'
import { type RequestLimits } from './limits.ts'
import { type Live } from './live-backend.ts'
import { type ProxyMetrics } from './metrics.ts'
import { type Overload } from './overload.ts'
import { type OwnedIds } from './owned/owned-ids.ts'
import { type Abortable } from './realtime/realtime.ts'
import { type RecordingProxy } from './request-record.ts'
import { type RequestTrace } from './request-trace.ts'
import { type RetryBudgets } from './retry-budgets.ts'
import { type TimerWheel } from './timer-wheel.ts'
import { type Tokenizer } from './tokens/tokenizer.ts'
import { type Upload } from './upload/upload.ts'
import { type Usage } from './usage.ts'

/** What every request finds. */
export interface Pipeline {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly configuration: Configuration
  readonly wheel: TimerWheel
  readonly metrics: ProxyMetrics
  readonly accessLog: AccessLog
  readonly usage: Usage
  readonly tokenizer: Tokenizer
  readonly ids: OwnedIds
  readonly proxy: RecordingProxy
  /** Labels of this proxy. */
  readonly place: Readonly<Record<string, string>>
  /** Now: the fleet's settings may lower what the environment allows. */
  readonly bodyBytesMax: () => number
  /** Of a body that is passed on as it comes. */
  readonly uploadBytesMax: number
  readonly budget: BodyBudget
  readonly retryBudgets: RetryBudgets
  readonly hedges: Hedges
  readonly overload: Overload
  /** Null: nothing is traced. */
  readonly tracer: Tracer | null
  readonly answers: AnswerCache
  readonly limits: RequestLimits
  /** Attempts under way, for the drain. */
  readonly exchanges: Bag<Abortable>
}

export interface Accepted {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly operation: Operation
  /** The model, where the dialect has it in the path. */
  readonly pathModel?: string | undefined
  /** What the path names of what a backend keeps. */
  readonly pathId?: string | undefined
  readonly requestId: string
  /** What the guard found, which looks at every request first. */
  readonly unsafe: Failure | undefined
}

/** One request on its way through. Everything that is settled at the end is gathered here. */
export interface Passage extends Accepted {
  /** Monotonic, and of the wall clock. */
  readonly startMs: number
  readonly atMs: number
  /** Whose it is; null: nobody's in particular. */
  key: CompiledKey | null
  /** Its way past its limits; null: nothing limits it. */
  admission: Admission | null
  /** Why it was not let past. */
  refused: Refused | null
  /** Bytes of its body that count in the budget of all. */
  readonly held: { bytes: number }
  model: string | null
  routing: Routing | undefined
  live: Live | undefined
  exchange: Exchange | undefined
  recorder: Recorder | undefined
  /** Null: its policy keeps nothing. */
  cache: CacheResult | null
  attempts: number
  route: CompiledRoute | undefined
  /** Of each attempt what is recorded of it. */
  readonly attempted: AttemptRecord[]
  tokens: Tokens
  /** Where in the body stands what the model is asked. */
  prompt: { readonly body: Buffer; readonly start: number; readonly end: number } | undefined
  /** Of the backend that was asked last; undefined: nobody knows it. */
  price: Price | undefined
  /** How its limits stood when it was let past: name, value, name ... */
  limitHeaders: readonly string[]
  firstByteMs: number | null
  keepAlive?: KeepAlive | undefined
  /** Absent: nothing is traced. */
  readonly trace?: RequestTrace | undefined
  code: FailureCode | null
  /** `pathId` as its backend knows it. */
  ownId: string | undefined
  /** Where a list goes on, by ids as their backend knows them. */
  cursors?: readonly (readonly [name: string, id: string])[]
  /** The route that was gone on with in place of the one that was asked for. */
  fallback: string | null
}

/** What is known of one, whatever it is answered on. */
export type PassageFacts = Omit<Passage, 'response'>

/** What a request asks for, once it is read and its route is known. */
export interface Asked {
  readonly route: CompiledRoute
  readonly scan: Extract<BodyScan, { ok: true }>
  /** Empty where it is an upload. */
  readonly body: Buffer
  readonly upload: Upload | undefined
  /** Ids as their backend knows them, in place of the client's. */
  readonly edits?: readonly Edit[]
}

export const CLIENT_LEFT = downstream('request_timeout', 'the client left')
