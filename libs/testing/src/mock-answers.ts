/** Bodies that the simulated backend answers with, in OpenAI's shapes. Values in, values out. */

export interface Prompt {
  readonly model: string
  readonly text: string
  readonly stream: boolean
  readonly includeUsage: boolean
}

export interface Reply {
  readonly id: string
  readonly createdS: number
  /** The answer's text in the pieces in which it streams. */
  readonly pieces: readonly string[]
}

/** What differs between the answers of chat completions and of completions. */
export interface TextShape {
  readonly idPrefix: string
  readonly object: string
  readonly chunkObject: string
  readonly choice: (text: string) => object
  readonly delta: (text: string, index: number) => object
  readonly lastDelta: object
}

export const CHAT: TextShape = {
  idPrefix: 'chatcmpl-simulated-',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  choice: (content) => ({ message: { role: 'assistant', content, refusal: null } }),
  delta: (content, index) => ({
    delta: index === 0 ? { role: 'assistant', content } : { content },
  }),
  lastDelta: { delta: {} },
}

export const COMPLETION: TextShape = {
  idPrefix: 'cmpl-simulated-',
  object: 'text_completion',
  chunkObject: 'text_completion',
  choice: (text) => ({ text }),
  delta: (text) => ({ text }),
  lastDelta: { text: '' },
}

const ECHO_CHARACTERS_MAX = 200
const EMBEDDING_DIMENSIONS = 8

/** What the simulated backend says. Says so itself, so that nobody takes it for a model. */
export function replyText({ model, text }: Prompt): string {
  const echo = text.length > ECHO_CHARACTERS_MAX ? `${text.slice(0, ECHO_CHARACTERS_MAX)}...` : text
  return (
    `This is Signalbox's simulated backend, not a model, answering as ${model}. ` +
    `You said: ${echo}`
  )
}

/** One piece for each word; the pieces joined are the text. */
export function words(text: string): string[] {
  return text.match(/\s*\S+\s*$|\s*\S+/g) ?? [text]
}

/** What a client asked for; undefined where the body names no model. */
export function readPrompt(body: unknown): Prompt | undefined {
  const request = asRecord(body)
  if (typeof request.model !== 'string') return undefined
  return {
    model: request.model,
    text: lastMessage(request.messages) ?? textOf(request.prompt),
    stream: request.stream === true,
    includeUsage: asRecord(request.stream_options).include_usage === true,
  }
}

function lastMessage(messages: unknown): string | undefined {
  return Array.isArray(messages) ? textOf(asRecord(messages.at(-1)).content) : undefined
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part) => (typeof part === 'string' ? part : (asRecord(part).text ?? '')))
    .join(' ')
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** Whole answer of (chat) completions. */
export function answer(shape: TextShape, prompt: Prompt, reply: Reply): object {
  return {
    id: reply.id,
    object: shape.object,
    created: reply.createdS,
    model: prompt.model,
    choices: [
      { index: 0, ...shape.choice(reply.pieces.join('')), logprobs: null, finish_reason: 'stop' },
    ],
    usage: usage(prompt.text, reply.pieces.length),
  }
}

/** The events of a stream, in order: pieces, finish reason, usage where asked for, end marker. */
export function* streamEvents(shape: TextShape, prompt: Prompt, reply: Reply): Generator<string> {
  const chunk = (choices: readonly object[], more: object = {}) =>
    event(
      JSON.stringify({
        id: reply.id,
        object: shape.chunkObject,
        created: reply.createdS,
        model: prompt.model,
        choices,
        ...more,
      }),
    )
  for (const [index, piece] of reply.pieces.entries()) {
    yield chunk([{ index: 0, ...shape.delta(piece, index), logprobs: null, finish_reason: null }])
  }
  yield chunk([{ index: 0, ...shape.lastDelta, logprobs: null, finish_reason: 'stop' }])
  if (prompt.includeUsage) yield chunk([], { usage: usage(prompt.text, reply.pieces.length) })
  yield event('[DONE]')
}

function event(data: string): string {
  return `data: ${data}\n\n`
}

/** Words stand in for tokens. */
function usage(prompt: string, completionTokens: number): object {
  const promptTokens = words(prompt).length
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

/** Answer of embeddings: vectors that depend on the text alone. */
export function embeddings(body: unknown): object {
  const { model, input, encoding_format: format } = asRecord(body)
  const texts = (Array.isArray(input) ? input : [input]).map((text) => String(text))
  const promptTokens = texts.reduce((sum, text) => sum + words(text).length, 0)
  return {
    object: 'list',
    model,
    data: texts.map((text, index) => {
      const vector = vectorOf(text)
      const embedding = format === 'base64' ? base64(vector) : [...vector]
      return { object: 'embedding', index, embedding }
    }),
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  }
}

function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(EMBEDDING_DIMENSIONS)
  for (const [index, character] of [...text].entries()) {
    const at = index % EMBEDDING_DIMENSIONS
    vector[at] = (vector[at] ?? 0) + (character.codePointAt(0) ?? 0)
  }
  const length = Math.hypot(...vector) || 1
  return vector.map((value) => value / length)
}

function base64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}

export function modelList(models: readonly string[], createdS: number): object {
  return { object: 'list', data: models.map((id) => modelEntry(id, createdS)) }
}

export function modelEntry(id: string, createdS: number): object {
  return { id, object: 'model', created: createdS, owned_by: 'signalbox-simulated' }
}

export function errorAnswer(message: string, code: string | null = null): object {
  return { error: { message, type: 'invalid_request_error', param: null, code } }
}
