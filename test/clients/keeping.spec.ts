// OpenAI's package and what backends keep: two of them, and each is asked for its own.
import { createHash } from 'node:crypto'
import {
  eventually,
  type Kept,
  type MockBackend,
  speakKeeping,
  startMockBackend,
} from '@signalbox/testing'
import OpenAI, { toFile } from 'openai'
import { apply, backend, base, proxy, start, useProxy } from '../../apps/proxy/src/proxy-harness.ts'

useProxy()

let other: MockBackend
let [one, two]: Kept[] = []
beforeEach(async () => {
  other = await startMockBackend({ models: [] })
  await apply('backend', 'b2', { kind: 'openai', url: other.url, models: ['m2'] })
  one = speakKeeping(backend, 'one')
  two = speakKeeping(other, 'two')
})
afterEach(() => other.stop())

const client = (headers: Record<string, string> = {}) =>
  new OpenAI({
    ...{ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries: 0, defaultHeaders: headers },
  })
const at = (id: string) => client({ 'x-signalbox-backend': id })
const upload = async (by: OpenAI) =>
  by.files.create({ file: await toFile(Buffer.from('{}\n'), 'a.jsonl'), purpose: 'batch' })

describe('files and batches', () => {
  it('are asked for where they are, by ids that any proxy reads', async () => {
    const file = await upload(at('b2'))
    expect(file.id).toMatch(/^file-two_sbx_[\w-]{22}_b2$/)
    await proxy.stop()
    await start({ id: 'p2' })
    await eventually(() => proxy.configuration.current() !== undefined)
    const { files } = client()
    expect((await files.retrieve(file.id)).id).toBe(file.id)
    expect(await (await files.content(file.id)).text()).toBe('{"id":"file-two"}\n')
    expect((await files.delete(file.id)).deleted).toBe(true)
    expect(two?.asked).toEqual([
      ...['POST /v1/files', 'GET /v1/files/file-two', 'GET /v1/files/file-two/content'],
      'DELETE /v1/files/file-two',
    ])
    expect(one?.asked).toEqual([])
  })

  it('go together: a batch is made where its file is', async () => {
    const file = await upload(client({ 'x-signalbox-model': 'm2' }))
    const { batches } = client()
    const window = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const
    const batch = await batches.create({ input_file_id: file.id, ...window })
    expect(batch.input_file_id).toBe(file.id)
    expect(batch.output_file_id).toMatch(/^file-out-two_sbx_/)
    const body = JSON.parse(other.requests.at(-1)?.body.toString() ?? '') as object
    expect(body).toEqual({ input_file_id: 'file-two', ...window })
    expect((await batches.retrieve(batch.id)).status).toBe('completed')
    expect((await batches.cancel(batch.id)).status).toBe('cancelling')
  })

  it('are listed of one backend, where no key parts them', async () => {
    const page = await at('b1').files.list({ limit: 5, after: 'file-x' })
    expect(page.data[0]?.id).toMatch(/^file-one_sbx_/)
    expect(one?.asked).toEqual(['GET /v1/files?limit=5&after=file-x'])
    const { data } = await at('b2').batches.list()
    expect(data[0]?.id).toMatch(/^batch_two_sbx_/)
  })

  it('are refused where nobody says whose', async () => {
    await expect(upload(client())).rejects.toMatchObject({ status: 400, code: 'missing_model' })
    await expect(upload(at('nobody'))).rejects.toMatchObject({ status: 404 })
    await apply('backend', 'b2', null)
    expect((await upload(client())).id).toMatch(/_b1$/)
  })
})

describe('an id', () => {
  it('that was made up, changed, or of a backend that is gone is unknown', async () => {
    const file = await upload(at('b2'))
    const { files } = client()
    const forged = [
      'file-two',
      file.id.replace('file-two', 'file-too'),
      file.id.replace(/_b2$/, '_b1'),
      file.id.replace(/_sbx_./, '_sbx_.'),
    ]
    for (const id of forged) {
      await expect(files.retrieve(id)).rejects.toMatchObject({ status: 404, code: 'unknown_id' })
    }
    await apply('backend', 'b2', null)
    await expect(files.retrieve(file.id)).rejects.toMatchObject({ code: 'unknown_id' })
  })

  it('of one backend does not go with one of another', async () => {
    const ids = [(await upload(at('b1'))).id, (await upload(at('b2'))).id]
    const content = ids.map((id) => ({ type: 'file' as const, file: { file_id: id } }))
    const chat = client().chat.completions.create({
      ...{ model: 'm1', messages: [{ role: 'user', content }] },
    })
    await expect(chat).rejects.toMatchObject({ code: 'unknown_id' })
  })
})

describe('a key', () => {
  const token = (letter: string) => `sbx-${letter.repeat(43)}`
  const hash = (letter: string) => createHash('sha256').update(token(letter)).digest('hex')
  const as = (letter: string, more: object = {}) =>
    new OpenAI({ baseURL: `${base}/v1`, apiKey: token(letter), maxRetries: 0, ...more })
  const with2 = { defaultHeaders: { 'x-signalbox-backend': 'b2' } }
  beforeEach(async () => {
    await apply('key', 'k1', { hash: hash('A') })
    await apply('key', 'k2', { hash: hash('B'), routes: ['m1'] })
  })

  it('reads what it was given, and nothing of another one', async () => {
    const { id } = await upload(as('A', with2))
    expect((await as('A').files.retrieve(id)).id).toBe(id)
    for (const stranger of [as('B'), client()]) {
      await expect(stranger.files.retrieve(id)).rejects.toMatchObject({ code: 'unknown_id' })
    }
  })

  it('sends files where its routes lead, and lists nobody’s', async () => {
    await expect(upload(as('B', with2))).rejects.toMatchObject({ status: 404 })
    const { id } = await upload(as('B'))
    expect(id).toMatch(/_b1$/)
    const batch = {
      input_file_id: id,
      endpoint: '/v1/embeddings',
      completion_window: '24h',
    } as const
    await expect(as('B').batches.create(batch)).rejects.toMatchObject({ status: 403 })
    await expect(as('A', with2).files.list()).rejects.toMatchObject({
      ...{ status: 403, code: 'key_not_allowed' },
    })
  })
})

describe('a response', () => {
  it('is found, gone on with and deleted where it was made, streamed or not', async () => {
    const { responses } = client()
    const first = await responses.create({ model: 'm2', input: 'a' })
    expect(first.id).toMatch(/^resp_two_sbx_[\w-]{22}_b2$/)
    const more = { model: 'm2', input: 'b', previous_response_id: first.id }
    const stream = await responses.create({ ...more, stream: true })
    const seen: string[] = []
    for await (const event of stream) if ('response' in event) seen.push(event.response.id)
    expect(seen).toEqual([first.id, first.id])
    const body = JSON.parse(other.requests.at(-1)?.body.toString() ?? '') as object
    expect(body).toMatchObject({ previous_response_id: 'resp_two', model: 'm2' })
    expect((await responses.retrieve(first.id)).output_text).toBe('of two')
    expect((await responses.inputItems.list(first.id)).data[0]?.id).toBe('msg_0')
    await responses.delete(first.id)
    expect(two?.asked.at(-1)).toBe('DELETE /v1/responses/resp_two')
  })

  it('of a backend that does not serve the model cannot be gone on with', async () => {
    const { responses } = client()
    const { id } = await responses.create({ model: 'm2', input: 'a' })
    const again = responses.create({ model: 'm1', input: 'b', previous_response_id: id })
    await expect(again).rejects.toMatchObject({ status: 404, code: 'unknown_id' })
  })
})
