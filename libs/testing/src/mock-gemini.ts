import { type MockBackend } from './mock-backend.ts'

/** What the simulated Gemini says. Written from the public API's shapes. */
export interface GeminiScript {
  readonly text: string
  readonly calls?: readonly { id?: string; name: string; args: object; signature?: string }[]
  /** Breaks the connection behind so many events of a stream. */
  readonly cutAfter?: number
}

const USAGE = {
  promptTokenCount: 10,
  cachedContentTokenCount: 3,
  candidatesTokenCount: 4,
  thoughtsTokenCount: 1,
  totalTokenCount: 15,
}
const ABOUT = { modelVersion: 'gemini-sim', responseId: 'resp_1' }

/** Makes a simulated backend speak Gemini's API: `?alt=sse` decides the form of a stream. */
export function speakGemini(backend: MockBackend, script: GeminiScript): void {
  const { text, calls = [], cutAfter } = script
  const called = calls.map(({ signature, ...functionCall }) => ({
    functionCall,
    ...(signature === undefined ? {} : { thoughtSignature: signature }),
  }))
  backend.answerWith((request, response) => {
    const { url = '' } = request
    if (url.includes(':countTokens')) {
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end('{"totalTokens":11}')
    }
    const last = { finishReason: 'STOP', index: 0 }
    if (url.includes(':generateContent')) {
      const content = { role: 'model', parts: [{ text }, ...called] }
      response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8' })
      const body = { candidates: [{ content, ...last }], usageMetadata: USAGE, ...ABOUT }
      return void response.end(JSON.stringify(body))
    }
    const says = (parts: readonly object[], more: object = {}) => ({
      candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
      ...ABOUT,
    })
    const events = [
      ...text.split(/(?<= )/).map((part) => says([{ text: part }])),
      { ...says(called, last), usageMetadata: USAGE },
    ]
    if (!url.includes('alt=sse')) {
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end(JSON.stringify(events))
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of events.slice(0, cutAfter)) {
      response.write(`data: ${JSON.stringify(event)}\r\n\r\n`)
    }
    if (cutAfter === undefined) response.end()
    else response.socket?.destroySoon()
  })
}
