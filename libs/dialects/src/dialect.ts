import { type Failure, type Kind, type Prompt, type Tokens } from '@signalbox/model'
import { type ChatCodec } from './codec.ts'
import { type Json } from './fields.ts'
import { type StreamEnd } from './openai/stream-end.ts'
import { type UsageSieve } from './openai/usage-sieve.ts'
import { type Seen } from './tokens.ts'

/** [name, value], lower-case names. */
export type HeaderPair = readonly [name: string, value: string]

/** One path of a dialect that clients may call, and how its request and answer are read. */
export interface Operation {
  /** `chat.completions`: the metric label and the log field. */
  readonly name: string
  /** Name of the dialect whose path it is. */
  readonly dialect: DialectName
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** The path as clients write it: `/v1/chat/completions`. */
  readonly path: string
  /** The path at backends, where it is another one. */
  readonly upstream?: string
  /**
   * Where the model's name stands: a top-level member of the body, or `{model}` in the path;
   * `none`: it is about something that a backend keeps, which `{id}` in the path may name.
   */
  readonly model: 'body' | 'path' | 'none'
  /**
   * Whether `"stream": true` in the body asks for a stream; `always`: the path itself does; `by
   * default`: it streams unless the body says `"stream": false`.
   */
  readonly streams: boolean | 'always' | 'by default'
  /** Whether it is the dialect's chat, which backends of other dialects can serve translated. */
  readonly chat: boolean
  /** How that chat is translated, where it has a form of its own. */
  readonly codec?: ChatCodec
  /** Its streams tell what they cost where `stream_options` asks for that, as OpenAI's do. */
  readonly usageSieve?: () => UsageSieve
  /** How its streams end, where that is not as its dialect's do. */
  readonly streamEnd?: () => StreamEnd
  /** Whether the body may be multipart/form-data, with the model in a part of it. */
  readonly multipart?: boolean
  /** The same request may be answered with the same answer: nothing but the answer comes of it. */
  readonly repeatable?: boolean
  /** Its servers have no word for the model: none is put into the body. */
  readonly nameless?: boolean
  /** Its answer names things that the backend keeps and no other has. */
  readonly owned?: boolean
  /** It has no body that matters. */
  readonly bodyless?: boolean
  /** Its connection becomes a WebSocket; the query names the model. */
  readonly websocket?: boolean
  /** It tells of everything that a backend keeps, whosever it is. */
  readonly lists?: boolean
  /** It may run any model of the backend, which nobody reads here. */
  readonly anyModel?: boolean
  /** Its request with a system prompt of the operator's. What is no such request stays as it is. */
  readonly addPrompt?: (body: Json, prompt: Prompt) => Json
}

export type DialectName = 'openai' | 'anthropic' | 'gemini' | 'ollama'

/**
 * A wire format. Declares what it supports, so that nobody outside this room asks which one it is.
 * How to add one: docs/adding-a-dialect.md; what each must do: dialect.contract.ts.
 */
export interface Dialect {
  readonly name: DialectName
  readonly operations: readonly Operation[]
  /** Body of an error answer in this dialect's shape. */
  errorBody(failure: Failure, requestId: string): string
  /**
   * What is written into a stream that broke off: a whole event, or line, that nothing which was
   * begun before it can swallow. `atLineStart`: what came before ends with a line break, or is
   * nothing.
   */
  streamError(failure: Failure, requestId: string, atLineStart?: boolean): string
  /** What its readers of events pass over, with its blank line; undefined: not known of all. */
  readonly comment?: string
  /** Whether these last bytes, at most tailBytes, hold the end of a stream that came whole. */
  endsWell(tail: Uint8Array): boolean
  readonly tailBytes: number
  /** What an answer says that it cost; undefined where it does not. */
  readTokens(seen: Seen): Tokens | undefined
  /** Model names in a backend's answer to its discovery path; undefined where it is not one. */
  readModels(body: unknown): readonly string[] | undefined
  /** Body of this dialect's answer to GET models / GET models/{id}. */
  modelList(models: readonly ModelEntry[]): string
  modelEntry(model: ModelEntry): string
  /** How paths begin that are its alone: what is refused there is refused in its shape. */
  readonly roots: readonly string[]
  /** Paths of its own that list models, and the one of which `/{id}` tells of one model. */
  readonly listPaths: readonly string[]
  readonly entryPath?: string
  /** What it answers whatever backends there are: bodies by path. */
  readonly fixed?: Readonly<Record<string, string>>
  /** Its chat, translated to and from the hub. */
  readonly chat: ChatCodec
}

export interface ModelEntry {
  readonly id: string
  readonly ownedBy: string
  readonly createdS: number
}

/** What is particular to a kind of backend: everything else follows from its dialect. */
export interface KindTraits {
  readonly kind: Kind
  /** Whose lists of models it answers with, and what chat is translated to that it has not. */
  readonly dialect: Dialect
  /** Dialects whose paths it serves itself: there bytes pass as they are. */
  readonly native: readonly DialectName[]
  /** Chats of the other dialects among them are translated all the same: its own can do more. */
  readonly prefersOwnChat: boolean
  /** Request headers that carry the credential, on the paths of this dialect. */
  credentialHeaders(secret: string, dialect?: DialectName): readonly HeaderPair[]
  /** Headers that every request to this kind carries. */
  readonly fixedHeaders: readonly HeaderPair[]
  /** Paths that cost no tokens, relative to the backend's base URL as upstreamPath() joins them. */
  readonly healthPath: string
  readonly discoveryPath: string
  /** A call that costs nothing and makes the connection as requests will need it. */
  readonly warming: WarmingCall
  /** Whether its servers are known to take `stream_options`; a strict one refuses what is not. */
  readonly takesStreamOptions: boolean
  /**
   * The one word for the limit of a chat's answer that its servers read, where they pass over the
   * other (and answer without a limit) or refuse it; undefined: either.
   */
  readonly limitMember: LimitMember | undefined
}

export interface WarmingCall {
  /** Whose credential headers it carries. */
  readonly dialect: DialectName
  readonly method: 'GET' | 'POST'
  /** As clients write it. */
  readonly path: string
  readonly body?: string
}

export type LimitMember = 'max_tokens' | 'max_completion_tokens'
