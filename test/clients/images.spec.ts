// Images in questions: as each package sends them, over backends of every dialect.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { HumanMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, type ModelMessage } from 'ai'
import { base } from '../../apps/proxy/src/proxy-harness.ts'
import {
  anthropicClient,
  googleClient,
  type Model,
  MODELS,
  ollamaClient,
  openaiClient,
  say,
  sentTo,
  TEXT,
  useBackends,
} from './sdk-harness.ts'

useBackends()

/** The first bytes of a picture are all that anybody looks at. */
const DATA = Buffer.from('89504e470d0a1a0a00ff', 'hex').toString('base64')
const url = `data:image/png;base64,${DATA}`
const question = 'What is this?'
const maxRetries = 0
const configuration = () => ({ baseURL: `${base}/v1` })

const ofAi: ModelMessage[] = [
  {
    role: 'user',
    content: [
      { type: 'text', text: question },
      { type: 'file', data: DATA, mediaType: 'image/png' },
    ],
  },
]

/** Shows the picture and answers what the model says of it. */
type Ask = (model: Model) => Promise<unknown>

const PACKAGES: readonly (readonly [name: string, ask: Ask])[] = [
  [
    'openai',
    async (model) => {
      const content = [
        { type: 'text' as const, text: question },
        { type: 'image_url' as const, image_url: { url } },
      ]
      const messages = [{ role: 'user' as const, content }]
      const answer = await openaiClient().chat.completions.create({ model, messages })
      return answer.choices[0]?.message.content
    },
  ],
  [
    '@anthropic-ai/sdk',
    async (model) => {
      const source = { type: 'base64' as const, media_type: 'image/png' as const, data: DATA }
      const content = [
        { type: 'image' as const, source },
        { type: 'text' as const, text: question },
      ]
      const messages = [{ role: 'user' as const, content }]
      const asked = { model, messages, max_tokens: 100 }
      const [block] = (await anthropicClient().messages.create(asked)).content
      return block?.type === 'text' && block.text
    },
  ],
  [
    '@google/genai',
    async (model) => {
      const image = { inlineData: { mimeType: 'image/png', data: DATA } }
      const contents = [{ role: 'user', parts: [image, { text: question }] }]
      return (await googleClient().models.generateContent({ model, contents })).text
    },
  ],
  [
    'ollama',
    async (model) => {
      const messages = [{ role: 'user', content: question, images: [DATA] }]
      return (await ollamaClient().chat({ model, messages })).message.content
    },
  ],
  [
    'ai, as OpenAI does',
    async (name) => {
      const provider = createOpenAICompatible({ ...configuration(), name: 'proxy', apiKey: 'x' })
      return (await generateText({ model: provider(name), messages: ofAi, maxRetries })).text
    },
  ],
  [
    'ai, as Anthropic does',
    async (name) => {
      const provider = createAnthropic({ ...configuration(), apiKey: 'unused' })
      return (await generateText({ model: provider(name), messages: ofAi, maxRetries })).text
    },
  ],
  [
    '@langchain/openai',
    async (model) => {
      const given = { model, apiKey: 'unused', maxRetries, configuration: configuration() }
      const content = [
        { type: 'text' as const, text: question },
        { type: 'image_url' as const, image_url: { url } },
      ]
      return (await new ChatOpenAI(given).invoke([new HumanMessage({ content })])).text
    },
  ],
]

/** How each backend is shown it. */
const SHOWN: Readonly<Record<Model, string>> = {
  m1: `{"type":"image_url","image_url":{"url":"${url}"`,
  claude: `"source":{"type":"base64","media_type":"image/png","data":"${DATA}"}`,
  'gemini-3-pro': DATA,
  qwen: `"images":["${DATA}"]`,
}

describe.each(PACKAGES)('a picture by the package %s', (_name, ask) => {
  it.each(MODELS)('is shown to the model %s', async (model) => {
    say({ calls: false })
    expect(await ask(model)).toBe(TEXT)
    expect(sentTo(model)).toContain(SHOWN[model])
    expect(sentTo(model)).toContain(question)
  })
})
