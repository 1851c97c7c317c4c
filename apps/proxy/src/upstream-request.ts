import { type HeaderPair } from '@signalbox/dialects'
import { type CompiledTarget } from '@signalbox/routing'
import type { Dispatcher } from 'undici'
import { type AskedUsage } from './ask-usage.ts'
import { type Edit, edited, memberFirst } from './body-splice.ts'
import { requestHeaders } from './headers.ts'
import { type Live } from './live-backend.ts'
import { type Asked, type Passage } from './passage.ts'
import { nativePath } from './path-model.ts'
import { type AttemptTrace } from './request-trace.ts'
import { type Translation } from './translate.ts'

/** Of a compressed stream nobody can see whether it came whole. */
const READABLE: readonly HeaderPair[] = [['accept-encoding', 'identity']]

export interface Sending extends Asked {
  readonly target: CompiledTarget
  readonly live: Live
  readonly translation: Translation | undefined
  readonly asks: AskedUsage | undefined
  readonly span?: AttemptTrace | undefined
}

/** What one attempt sends. */
export function upstreamRequest(passage: Passage, sending: Sending): Dispatcher.DispatchOptions {
  const { route, scan, upload, target, live, translation, span } = sending
  const { request, requestId, operation } = passage
  const path = translation?.path ?? nativePath(passage, { live, target })
  if (!path) throw new Error(`no path ${operation.path} at ${live.id}`)
  const { timeouts } = route.policy
  const { idleMs } = live.backend.spec.timeouts
  const length = upload?.lengthAs(target.model)
  return {
    method: operation.method,
    path,
    body: bodyOf(passage, sending),
    headers: requestHeaders(ofTrace(passage, translation?.rawHeaders ?? request.rawHeaders), [
      ...(span ? [['traceparent', span.traceparent] as const] : []),
      ['x-request-id', requestId],
      ...(length === undefined ? [] : [['content-length', String(length)] as const]),
      ...(scan.stream || translation || operation.owned ? READABLE : []),
      ...(live.headers.get(translation ? live.traits.dialect.name : operation.dialect) ?? []),
    ]),
    // Ours, by the wheel: undici's own is a second late.
    headersTimeout: 0,
    bodyTimeout: idleMs ?? timeouts.idleMs,
  }
}

/** Where our trace is not the client's, what it says of its own is none of the backend's. */
function ofTrace({ trace }: Passage, rawHeaders: readonly string[]): readonly string[] {
  if (!trace?.isRoot) return rawHeaders
  const isState = (at: number) => rawHeaders[at - (at % 2)]?.toLowerCase() === 'tracestate'
  return rawHeaders.filter((_, at) => !isState(at))
}

function bodyOf(passage: Passage, sending: Sending): Buffer | null {
  const { body, upload, target, translation, asks } = sending
  if (translation) return translation.body
  if (!upload) {
    if (passage.operation.bodyless) return null
    const own = sending.edits ?? NOTHING
    const edits = [...own, ...naming(passage, sending), ...limiting(passage, sending)]
    return edited(body, asks ? [...edits, asks.edit] : edits)
  }
  const failed = (failure: Parameters<NonNullable<typeof passage.exchange>['abort']>[0]) =>
    passage.exchange?.abort(failure)
  // undici takes any iterable, whatever its types say.
  return upload.bodyAs(upload.model === undefined ? '' : target.model, failed) as never
}

/** The name that the backend knows the model by, where the body has another one, or none. */
function naming(
  { operation }: Passage,
  { scan: { model }, body, target }: Pick<Sending, 'scan' | 'body' | 'target'>,
): readonly Edit[] {
  if (operation.model !== 'body') return NOTHING
  if (model) {
    return model.value === target.model
      ? NOTHING
      : [{ ...model, text: JSON.stringify(target.model) }]
  }
  return operation.nameless ? NOTHING : [memberFirst(body, 'model', target.model)]
}

const NOTHING: readonly Edit[] = []

/** The word for the answer's limit that the backend reads, where the body has the other alone. */
function limiting(
  { operation }: Passage,
  { scan: { maxTokens, maxCompletionTokens }, live }: Pick<Sending, 'scan' | 'live'>,
): readonly Edit[] {
  const { limitMember } = live.traits
  if (limitMember === undefined || !operation.chat || operation.usageSieve === undefined) {
    return NOTHING
  }
  const other = limitMember === 'max_tokens' ? maxCompletionTokens : maxTokens
  if (!other || (maxTokens && maxCompletionTokens)) return NOTHING
  return [{ start: other.start, end: other.end, text: `"${limitMember}"` }]
}
