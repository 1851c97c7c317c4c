import { SOUND, speakPassing } from '@signalbox/testing'
import { toFile } from 'openai'
import { apply, base } from '../../apps/proxy/src/proxy-harness.ts'
import { backend, openaiClient, TEXT, useBackends } from './sdk-harness.ts'

useBackends()

const model = 'm1'
const sent = () => backend.requests.at(-1)
const partsOf = async () => {
  const { body = Buffer.alloc(0), headers } = sent() ?? {}
  const type = headers?.['content-type'] ?? ''
  return new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
}

describe("OpenAI's package, beside chat", () => {
  beforeEach(() => speakPassing(backend, TEXT))

  it('reads a response, and a stream of one', async () => {
    const { responses } = openaiClient()
    const answer = await responses.create({ model, input: 'Hello' })
    expect([answer.output_text, answer.usage?.total_tokens]).toEqual([TEXT, 13])
    const stream = responses.stream({ model, input: 'Hello' })
    const whole = await stream.finalResponse()
    expect(whole.output_text).toBe(TEXT)
  })

  it('reads moderations', async () => {
    const { results } = await openaiClient().moderations.create({ model, input: 'Hello' })
    expect(results[0]?.flagged).toBe(false)
  })

  it('makes an image, and sends some', async () => {
    const { images } = openaiClient()
    const made = await images.generate({ model, prompt: 'a cat' })
    expect(made.data?.[0]?.b64_json).toBe('AAAA')
    const image = await toFile(Buffer.from('png'), 'a.png', { type: 'image/png' })
    await images.edit({ image, prompt: 'a dog', model })
    const edit = await partsOf()
    expect([edit.get('prompt'), edit.get('model')]).toEqual(['a dog', model])
    await images.createVariation({ image, model })
    expect(sent()?.path).toBe('/v1/images/variations')
  })

  it('speaks, and listens, under the name that the backend knows', async () => {
    const target = { targets: [{ backend: 'b1', model: 'whisper' }] }
    await apply('route', 'hears', { tiers: [target] })
    const { audio } = openaiClient()
    const speech = await audio.speech.create({ model, voice: 'alloy', input: TEXT })
    expect(Buffer.from(await speech.arrayBuffer())).toEqual(SOUND)
    expect(speech.headers.get('content-type')).toBe('audio/mpeg')

    const sound = Buffer.alloc(50_000, SOUND)
    const file = await toFile(sound, 'a.mp3', { type: 'audio/mpeg' })
    const heard = await audio.transcriptions.create({ file, model: 'hears', language: 'en' })
    expect(heard.text).toBe(TEXT)
    const parts = await partsOf()
    expect([parts.get('model'), parts.get('language')]).toEqual(['whisper', 'en'])
    expect(Buffer.from(await (parts.get('file') as File).arrayBuffer())).toEqual(sound)
    expect((await audio.translations.create({ file, model })).text).toBe(TEXT)
  })

  it('is told who does not serve a path', async () => {
    const answer = openaiClient().responses.create({ model: 'claude', input: 'Hello' })
    await expect(answer).rejects.toMatchObject({ status: 400, code: 'untranslatable' })
  })
})

describe('a client of Jina, Cohere or text-embeddings-inference', () => {
  const post = (path: string, body: object, headers: object = {}) =>
    fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })

  it('gets documents ranked', async () => {
    speakPassing(backend, TEXT)
    const answer = await post('/v1/rerank', { model, query: 'q', documents: ['a', 'b'], top_n: 1 })
    expect(await answer.json()).toMatchObject({ results: [{ index: 1 }] })
  })

  it('gets sparse vectors of the model that a header names', async () => {
    speakPassing(backend, TEXT)
    const named = await post('/embed_sparse', { inputs: 'a' }, { 'x-signalbox-model': model })
    expect(await named.json()).toEqual([[{ index: 3, value: 0.5 }]])
    expect(sent()?.body.toString()).toBe('{"inputs":"a"}')
    const nobody = await post('/embed_sparse', { inputs: 'a' })
    expect(nobody.status).toBe(400)
  })
})
