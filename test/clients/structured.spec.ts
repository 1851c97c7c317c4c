// Answers that follow a schema: as each package asks for them, over backends of every dialect.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, Output, streamText } from 'ai'
import { zodResponseFormat } from 'openai/helpers/zod'
import * as z from 'zod'
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
  useBackends,
} from './sdk-harness.ts'

useBackends()

const person = z.object({ given_name: z.string(), age: z.number() })
const ADA = { given_name: 'Ada', age: 36 }
const prompt = 'Who wrote the first program?'
const messages = [{ role: 'user' as const, content: prompt }]
const maxRetries = 0

/** Asks for a person and answers what the package made of the answer. */
type Ask = (model: Model) => Promise<unknown>

const ofOpenAI = (model: Model) =>
  createOpenAICompatible({
    ...{ name: 'proxy', baseURL: `${base}/v1`, apiKey: 'x', supportsStructuredOutputs: true },
  })(model)
const ofAnthropic = (model: Model) =>
  createAnthropic({ baseURL: `${base}/v1`, apiKey: 'unused' })(model)
const output = Output.object({ schema: person })

const PACKAGES: readonly (readonly [name: string, ask: Ask])[] = [
  [
    'openai',
    async (model) => {
      const response_format = zodResponseFormat(person, 'person')
      const asked = { model, messages, response_format }
      const answer = await openaiClient().chat.completions.parse(asked)
      return answer.choices[0]?.message.parsed
    },
  ],
  [
    'openai, streaming',
    async (model) => {
      const response_format = zodResponseFormat(person, 'person')
      const asked = { model, messages, response_format, stream: true as const }
      const answer = await openaiClient().chat.completions.stream(asked).finalChatCompletion()
      return answer.choices[0]?.message.parsed
    },
  ],
  [
    '@anthropic-ai/sdk',
    async (model) => {
      const output_config = { format: zodOutputFormat(person) }
      const asked = { model, messages, max_tokens: 100, output_config }
      return (await anthropicClient().messages.parse(asked)).parsed_output
    },
  ],
  [
    '@google/genai',
    async (model) => {
      const responseJsonSchema = z.toJSONSchema(person)
      const config = { responseMimeType: 'application/json', responseJsonSchema }
      const asked = { model, contents: prompt, config }
      return JSON.parse((await googleClient().models.generateContent(asked)).text ?? '')
    },
  ],
  [
    'ollama',
    async (model) => {
      const answer = await ollamaClient().chat({ model, messages, format: z.toJSONSchema(person) })
      return JSON.parse(answer.message.content)
    },
  ],
  [
    'ai, as OpenAI does',
    async (model) =>
      (await generateText({ model: ofOpenAI(model), prompt, output, maxRetries })).output,
  ],
  [
    'ai, as Anthropic does',
    async (name) => {
      // Of models that it does not know by name the package assumes that they have tools alone.
      const providerOptions = { anthropic: { structuredOutputMode: 'outputFormat' } }
      const model = ofAnthropic(name)
      return (await generateText({ model, prompt, output, maxRetries, providerOptions })).output
    },
  ],
  [
    'ai, streaming',
    async (model) => {
      const stream = streamText({ model: ofOpenAI(model), prompt, output, maxRetries })
      return stream.output
    },
  ],
  [
    '@langchain/openai',
    async (model) => {
      const configuration = { baseURL: `${base}/v1` }
      const chat = new ChatOpenAI({ model, apiKey: 'unused', maxRetries, configuration })
      return chat.withStructuredOutput(person, { method: 'jsonSchema' }).invoke(prompt)
    },
  ],
]

/** Where the schema stands in what each backend is sent. */
const PLACES: Readonly<Record<Model, RegExp>> = {
  m1: /"response_format":\{"type":"json_schema".*given_name/,
  claude: /"output_config":\{"format":\{"type":"json_schema".*given_name/,
  'gemini-3-pro': /("responseJsonSchema"|"responseSchema"|"response_format"):.*given_name/,
  qwen: /"format":\{.*given_name/,
}

describe.each(PACKAGES)('a person by the package %s', (_name, ask) => {
  it.each(MODELS)('of the model %s', async (model) => {
    say({ calls: false, text: JSON.stringify(ADA) })
    expect(await ask(model)).toEqual(ADA)
    expect(sentTo(model)).toMatch(PLACES[model])
  })
})
