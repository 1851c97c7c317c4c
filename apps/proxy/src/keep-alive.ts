import { dialectNamed } from '@signalbox/dialects'
import { type Cancel } from '@signalbox/host'
import { type Failure } from '@signalbox/model'
import { breakOff } from './break-off.ts'
import { type Asked, type Passage, type Pipeline } from './passage.ts'

/*
 * What stands between a client and its backend (a balancer, a browser) ends a connection that says
 * nothing, and a model that thinks says nothing for minutes. So while the first event is waited
 * for, a comment is sent now and then, which every reader of events passes over:
 *
 *     waiting -> head and comment -> comment ... -> the backend's answer, without its head
 *                                                -> a failure, as an error event
 *
 * The head is ours by then: status 200, whatever comes. Until an event of a backend is out, other
 * attempts are made as ever.
 */
export class KeepAlive {
  readonly #pipeline: Pipeline
  readonly #passage: Passage
  readonly #everyMs: number
  readonly #comment: string
  #cancel: Cancel
  #sent = false
  #over = false

  constructor(pipeline: Pipeline, passage: Passage, what: { everyMs: number; comment: string }) {
    this.#pipeline = pipeline
    this.#passage = passage
    this.#everyMs = what.everyMs
    this.#comment = what.comment
    this.#cancel = pipeline.wheel.after(this.#everyMs, () => this.#tick())
  }

  /** Somebody answers, or nobody will. */
  stop(): void {
    this.#over = true
    this.#cancel()
  }

  /** Tells the client of the failure in the stream, where that has begun. */
  fail(failure: Failure): boolean {
    this.stop()
    const { response, operation, requestId } = this.#passage
    if (!this.#sent || response.destroyed) return false
    const event = dialectNamed(operation.dialect).streamError(failure, requestId)
    breakOff(response, this.#pipeline.clock, event)
    return true
  }

  #tick(): void {
    const { response } = this.#passage
    if (this.#over || response.destroyed) return
    if (!this.#sent) this.#begin()
    // A client that does not even read comments gets no more of them.
    if (!response.writableNeedDrain) response.write(this.#comment)
    this.#pipeline.metrics.keptAlive()
    this.#cancel = this.#pipeline.wheel.after(this.#everyMs, () => this.#tick())
  }

  /** Who will answer is not known yet: no header says it. */
  #begin(): void {
    const { response, requestId, routing, limitHeaders, cache } = this.#passage
    this.#sent = true
    response.writeHead(200, [
      ...['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache'],
      ...['x-request-id', requestId, 'x-signalbox-revision', routing?.revision ?? ''],
      ...(cache === null ? [] : ['x-signalbox-cache', cache]),
      ...limitHeaders,
    ])
  }
}

/** Begins to keep the client's connection alive, where its policy says so and events are asked. */
export function keepAliveOf(
  pipeline: Pipeline,
  passage: Passage,
  { route, scan }: Pick<Asked, 'route' | 'scan'>,
): KeepAlive | undefined {
  const { keepAliveMs: everyMs } = route.policy
  const { operation } = passage
  if (everyMs === undefined || !scan.stream || operation.streams !== true) return undefined
  const { comment } = dialectNamed(operation.dialect)
  return comment === undefined ? undefined : new KeepAlive(pipeline, passage, { everyMs, comment })
}
