import {
  type AnswerContext,
  type Call,
  type ChatRequest,
  dialectNamed,
  type Json,
  type Leniency,
  type LimitMember,
  type Operation,
  passes,
  tokensOf,
  upstreamPath,
  type Usage,
} from '@signalbox/dialects'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { type CompiledTarget } from '@signalbox/routing'
import type { Dispatcher } from 'undici'
import { downstream } from './failures.ts'
import { type Live } from './live-backend.ts'
import { type Asked, type Passage, type Pipeline } from './passage.ts'
import { asksForEvents } from './path-model.ts'
import { TranslatedAnswer } from './translated-answer.ts'

const MS_PER_S = 1_000
const DROPPED_CHARACTERS_MAX = 1_024
const INDEX = /\[\d+\]/g
const INVISIBLE = /[^\x21-\x7e]/g
/** What another dialect's servers would make nothing of. */
const OF_ONE_DIALECT = /^(?:openai-|anthropic-|x-goog-)/i

/** How one attempt crosses from the client's dialect to the backend's, and the answer back. */
export interface Translation {
  readonly path: string
  readonly body: Buffer
  readonly rawHeaders: readonly string[]
  /** x-signalbox-dropped, where something was. */
  readonly ownHeaders: readonly string[]
  /** A handler that hands on what it gets in the client's dialect. */
  into(relay: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler
}

type Chosen = Asked & { readonly target: CompiledTarget; readonly live: Live }

/** Undefined where the backend serves the path itself: then no byte is looked at. */
export function translationFor(
  { clock }: Pipeline,
  passage: Passage,
  { body, route, target, live }: Chosen,
): Result<Translation | undefined, Failure> {
  const { operation, request, requestId } = passage
  const { dialect } = live.traits
  if (passes(operation, live.traits)) return ok(undefined)
  if (!operation.chat) return err(notServed(operation))
  const from = operation.codec ?? dialectNamed(operation.dialect).chat
  if (operation.streams === 'always' && !asksForEvents(request.url)) {
    return err(refused({ field: 'alt', message: 'a stream is translated as alt=sse alone' }))
  }
  const leniency = { lenient: route.policy.translation === 'lenient' }
  const read = from.readRequest(parsed(body), callOf(passage, leniency))
  if (!read.ok) return err(refused(read.error))
  const chat: ChatRequest = { ...read.value.chat, model: target.model }
  const written = dialect.chat.writeRequest(chat, leniency)
  if (!written.ok) return err(refused(written.error))
  const context: AnswerContext = {
    id: requestId,
    model: target.model,
    createdS: Math.floor(clock.nowMs() / MS_PER_S),
    includeUsage: (chat['stream_options'] as Json | undefined)?.['include_usage'] === true,
  }
  const counted = (usage: Usage) => void (passage.tokens = tokensOf(usage))
  const crossing = { from, to: dialect.chat, context, requestId, counted }
  return ok({
    path: upstreamPath(live.backend.spec.url, written.value.path),
    body: Buffer.from(JSON.stringify(limited(written.value.body, live.traits.limitMember))),
    rawHeaders: common(request.rawHeaders),
    ownHeaders: droppedHeader([...read.value.dropped, ...written.value.dropped]),
    into: (relay) => new TranslatedAnswer(relay, crossing),
  })
}

/** What the path says in place of the body. */
function callOf({ operation, pathModel }: Passage, leniency: Leniency): Call {
  if (pathModel === undefined) return leniency
  return { ...leniency, model: pathModel, stream: operation.streams === 'always' }
}

/** The scanner has seen that it is an object; what is wrong deeper inside shows here. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

function refused({ field, message }: { field: string; message: string }): Failure {
  return downstream('untranslatable', `${field}: ${message}`)
}

function notServed({ path }: Operation): Failure {
  return downstream('untranslatable', `the backend of this model does not serve ${path}`)
}

/** Without what speaks to one dialect's servers alone. */
function common(rawHeaders: readonly string[]): readonly string[] {
  const kept: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!OF_ONE_DIALECT.test(name)) kept.push(name, rawHeaders[i + 1] ?? '')
  }
  return kept
}

/** With the word for the answer's limit that the backend reads. */
function limited(body: Json, member: LimitMember | undefined): Json {
  const { max_tokens: one, max_completion_tokens: other, ...rest } = body
  const limit = one ?? other
  return member === undefined || limit === undefined ? body : { ...rest, [member]: limit }
}

/** Names of fields that the client chose: shown as far as a header can hold them. */
function droppedHeader(dropped: readonly string[]): readonly string[] {
  if (dropped.length === 0) return []
  const names = new Set(dropped.map((field) => field.replace(INDEX, '[]').replace(INVISIBLE, '?')))
  return ['x-signalbox-dropped', [...names].join(', ').slice(0, DROPPED_CHARACTERS_MAX)]
}
