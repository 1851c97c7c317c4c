import { type IncomingHttpHeaders } from 'node:http'
import { type Dialect, dialectNamed } from '@signalbox/dialects'
import type { Dispatcher } from 'undici'
import { isReadableStream, saidOnce } from '../headers.ts'
import { type Passage } from '../passage.ts'
import { type OwnedIds } from './owned-ids.ts'

/** An answer or an event over this passes as it is: no list of objects is so long. */
const TEXT_BYTES_MAX = 4 * 1_024 * 1_024
const EMPTY = Buffer.alloc(0)
const LF = 0x0a

/** A handler that tags what this attempt's backend answers. */
export function ownedOf(ids: OwnedIds, { live, key, operation }: Passage) {
  const backend = live?.id ?? ''
  const tagAll = (text: string) => ids.tagAll(text, backend, key?.id ?? '')
  const rules = { tagAll, dialect: dialectNamed(operation.dialect) }
  return { into: (relay: Dispatcher.DispatchHandler) => new OwnedAnswer(relay, rules) }
}

interface Rules {
  readonly tagAll: (text: string) => string
  readonly dialect: Dialect
}

/**
 * Stands between the connection and the relay, and tags ids in what passes: in a JSON answer when
 * it is whole, in a stream event by event. What is no text of these passes as it comes.
 */
class OwnedAnswer implements Dispatcher.DispatchHandler {
  readonly #relay: Dispatcher.DispatchHandler
  readonly #rules: Rules
  #held: Buffer[] = []
  #bytes = 0
  #form: 'json' | 'events' | 'other' = 'other'
  #head: { readonly status: number; readonly headers: IncomingHttpHeaders } | undefined

  constructor(relay: Dispatcher.DispatchHandler, rules: Rules) {
    this.#relay = relay
    this.#rules = rules
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#relay.onRequestStart?.(controller, context)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return
    saidOnce(headers)
    const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers
    const isClear = status === 200 && encoding.toLowerCase() === 'identity'
    if (isReadableStream(status, headers, this.#rules.dialect)) this.#form = 'events'
    else if (isClear && type.toLowerCase().startsWith('application/json')) this.#form = 'json'
    if (this.#form === 'json') this.#head = { status, headers }
    else this.#relay.onResponseStart?.(controller, status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#form === 'other') return void this.#relay.onResponseData?.(controller, chunk)
    this.#held.push(chunk)
    this.#bytes += chunk.length
    if (this.#form === 'events') return this.#pass(controller, eventsEnd(chunk))
    if (this.#bytes > TEXT_BYTES_MAX) this.#giveUp(controller)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#form === 'events') this.#pass(controller, 0)
    if (this.#head) {
      const body = Buffer.from(this.#rules.tagAll(Buffer.concat(this.#held).toString()))
      const headers = { ...this.#head.headers, 'content-length': String(body.length) }
      this.#relay.onResponseStart?.(controller, this.#head.status, headers)
      this.#relay.onResponseData?.(controller, body)
    }
    this.#relay.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#relay.onResponseError?.(controller, error)
  }

  /** `rest`: bytes of the last chunk that belong to an event which is not whole; -1: all do. */
  #pass(controller: Dispatcher.DispatchController, rest: number): void {
    if (this.#bytes > TEXT_BYTES_MAX) return this.#giveUp(controller)
    if (rest < 0 || this.#bytes === 0) return
    const all = Buffer.concat(this.#held)
    const whole = all.subarray(0, all.length - rest)
    this.#held = rest > 0 ? [all.subarray(all.length - rest)] : []
    this.#bytes = rest
    this.#relay.onResponseData?.(controller, Buffer.from(this.#rules.tagAll(whole.toString())))
  }

  #giveUp(controller: Dispatcher.DispatchController): void {
    this.#form = 'other'
    if (this.#head) {
      this.#relay.onResponseStart?.(controller, this.#head.status, this.#head.headers)
      this.#head = undefined
    }
    const all = Buffer.concat(this.#held)
    this.#held = []
    this.#bytes = 0
    this.#relay.onResponseData?.(controller, all.length > 0 ? all : EMPTY)
  }
}

/** Ids stand in one line: bytes behind the last line break; -1 where there is none. */
function eventsEnd(chunk: Buffer): number {
  const last = chunk.lastIndexOf(LF)
  return last < 0 ? -1 : chunk.length - last - 1
}
