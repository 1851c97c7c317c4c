// Proof of the log over real HTTP: verified, exported and verified again, signed; who was refused.
import { sha256, silentLog, verifyBytes } from '@signalbox/host'
import {
  ChainCheck,
  openCheckpoint,
  parseVerifierKey,
  type RevisionMessage,
} from '@signalbox/model'
import { eventually, manualClock } from '@signalbox/testing'
import pg from 'pg'
import { type Api, MASTER_KEY, SPEC, startApi, TOKENS } from './api-harness.ts'
import { Checkpoints, CHECKPOINT_MS } from './checkpoints.ts'

let api: Api
let databaseUrl: string
beforeEach(async () => {
  api = await startApi((url) => {
    databaseUrl = url
    return Promise.resolve(url)
  })
})
afterEach(() => api.end())

async function tamper(sql: string): Promise<void> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query(`ALTER TABLE revision DISABLE TRIGGER ALL; ALTER TABLE event DISABLE TRIGGER ALL;
    ALTER TABLE checkpoint DISABLE TRIGGER ALL; ${sql}`)
  await client.end()
}

const verify = async () => (await api.call('GET', 'audit/verify')).json

/** Reads an export as somebody does who has nothing but it and the public key. */
function verifyOffline(text: string, notes: readonly string[] = []) {
  const [first, ...lines] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const key = parseVerifierKey(first.key, sha256)
  if (!key) throw new Error('no key')
  const { publicKey } = key
  const opened = [
    ...lines.flatMap(({ kind, note }) => (kind === 'checkpoint' ? [note] : [])),
    ...notes,
  ].map((note: string) => openCheckpoint(note, { sha256, publicKey, verify: verifyBytes }))
  const chain = new ChainCheck(
    sha256,
    opened.flatMap((one) => (one.ok ? [one.value] : [])),
  )
  for (const line of lines) if (line.kind === 'revision') chain.next(line as RevisionMessage)
  return { ...chain.end(), forged: opened.filter((one) => !one.ok).length }
}

describe('the audit', () => {
  beforeEach(async () => {
    await api.add('b1', { apiKey: 'sk-canary-3' })
    await api.add('b2')
    await api.call('DELETE', 'backends/b2')
  })

  it('verifies a log that nobody wrote past', async () => {
    const { hash } = await api.store.head()
    expect(await verify()).toEqual({ ok: true, revision: 3, hash, problems: [], checkpoints: 0 })
  })

  it('names what was written past the log', async () => {
    await tamper(`UPDATE resource SET spec = jsonb_set(spec, '{url}', '"http://bad"')`)
    expect(await verify()).toMatchObject({ ok: false, problems: [{ revision: 3 }] })
  })

  it('names a forged checkpoint, and a log that is shorter than one says', async () => {
    const { note } = (await api.call('GET', 'audit/checkpoint')).json
    const at = '2026-01-01T00:00:00.000Z'
    await api.store.keepCheckpoint({ revision: 3, at, note })
    expect(await verify()).toMatchObject({ ok: true, checkpoints: 1 })
    await api.store.keepCheckpoint({ revision: 2, at, note: note.replace('\n3\n', '\n2\n') })
    expect((await verify()).problems).toEqual([
      { revision: 2, message: 'its checkpoint: not signed with this key' },
    ])
    await tamper(`DELETE FROM checkpoint WHERE revision = 2; DELETE FROM event WHERE revision = 3;
      DELETE FROM revision WHERE revision = 3; UPDATE log_head SET revision = 2, position = 2`)
    const { problems } = await verify()
    const messages = problems.map((problem: { message: string }) => problem.message)
    expect(messages).toContain('the log ends here, but a checkpoint says that it had 3 revisions')
  })

  it('is exported to be verified elsewhere; nothing in it is in clear', async () => {
    const { text, headers, status } = await api.call('GET', 'audit/export')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch('application/x-ndjson')
    expect(text).not.toContain('sk-canary')
    expect(verifyOffline(text)).toMatchObject({ ok: true, revision: 3, forged: 0 })
  })

  it('shows in the export what was edited, removed, reordered, cut off or forged', async () => {
    const { text } = await api.call('GET', 'audit/export')
    const lines = text.trim().split('\n')
    const [head, one, two, three, note = ''] = lines
    const of = (...all: (string | undefined)[]) => verifyOffline(all.join('\n'))
    expect(of(head, one?.replace('8000', '9000'), two, three, note).ok).toBe(false)
    expect(of(head, one, three, note).ok).toBe(false)
    expect(of(head, two, one, three, note).ok).toBe(false)
    expect(of(head, one, two, note).ok).toBe(false)
    expect(of(head, one, two).ok).toBe(true)
    const { note: kept } = (await api.call('GET', 'audit/checkpoint')).json
    expect(verifyOffline([head, one, two].join('\n'), [kept]).ok).toBe(false)
    expect(of(head, one, two, three, note.replace('epoch 1', 'epoch 2')).forged).toBe(1)
  })

  it('needs the admin for the export, which holds sealed credentials', async () => {
    for (const token of [TOKENS.viewer, TOKENS.operator]) {
      expect((await api.call('GET', 'audit/export', { token })).status).toBe(403)
    }
    expect((await api.call('GET', 'audit/verify', { token: TOKENS.viewer })).status).toBe(200)
    expect((await api.call('GET', 'audit/denials', { token: TOKENS.viewer })).status).toBe(403)
  })

  it('signs the end of an empty log as well', async () => {
    const empty = await startApi()
    const { json } = await empty.call('GET', 'audit/checkpoint')
    expect(json).toMatchObject({ revision: 0, epoch: 1, hash: '0'.repeat(64) })
    expect(verifyOffline((await empty.call('GET', 'audit/export')).text).ok).toBe(true)
    await empty.end()
  })
})

describe('a checkpoint', () => {
  it('is kept once a minute, where the log has changed', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const config = { fleet: 'default', masterKey: MASTER_KEY }
    const { store } = api
    const checkpoints = new Checkpoints({ config, store, clock, log: silentLog })
    const minute = async () => {
      clock.advance(CHECKPOINT_MS)
      await checkpoints.settled()
      return (await store.checkpoints(10)).map(({ revision }) => revision)
    }
    expect(await minute()).toEqual([])
    await api.add('b1')
    await api.add('b2')
    expect(await minute()).toEqual([2])
    expect(await minute()).toEqual([2])
    await api.add('b3')
    expect(await minute()).toEqual([3, 2])
    await checkpoints.stop()
  })
})

describe('a call that is refused', () => {
  const denials = async (query = '') => {
    await eventually(async () => (await api.call('GET', 'audit/denials')).json.items.length > 0)
    return (await api.call('GET', `audit/denials${query}`)).json
  }

  it('is recorded: who, what, why, and no secret', async () => {
    await api.call('GET', 'backends?q=query-canary', { token: 'wrong-token-canary' })
    await api.call('POST', 'backends', { body: { id: 'b1', spec: SPEC }, token: TOKENS.viewer })
    await api.add('b1', { apiKey: 5, url: 'body-canary' })
    await api.add('b1')
    await api.add('b1')
    await api.call('PATCH', 'backends/b1', { body: { spec: {} }, headers: { 'if-match': '"9"' } })
    await api.call('GET', 'backends/none')
    await eventually(async () => (await api.call('GET', 'audit/denials')).json.items.length === 5)
    const { items } = await denials()
    const facts = items.map((item: Record<string, unknown>) => [
      item['status'],
      item['actor'],
      item['method'],
      item['path'],
      item['code'],
    ])
    expect(facts.reverse()).toEqual([
      [401, null, 'GET', '/admin/v1/backends', 'unauthenticated'],
      [403, 'viewer', 'POST', '/admin/v1/backends', 'forbidden'],
      [422, 'admin', 'POST', '/admin/v1/backends', 'validation_failed'],
      [409, 'admin', 'POST', '/admin/v1/backends', 'already_exists'],
      [412, 'admin', 'PATCH', '/admin/v1/backends/b1', 'precondition_failed'],
    ])
    expect(JSON.stringify(items)).not.toContain('canary')
    expect(items[4]).toMatchObject({ address: expect.stringContaining('127.0.0.1'), role: null })
  })

  it('is listed page by page', async () => {
    for (let nth = 0; nth < 3; nth++) await api.call('GET', 'fleet', { token: 'wrong' })
    await eventually(async () => (await api.call('GET', 'audit/denials')).json.items.length === 3)
    const first = await denials('?limit=2')
    expect(first.items).toHaveLength(2)
    const rest = await denials(`?limit=2&cursor=${first.nextCursor}`)
    expect([rest.items.length, rest.nextCursor]).toEqual([1, null])
  })

  it('fills no database, however many there are', async () => {
    const calls = Array.from({ length: 300 }, () => api.call('GET', 'fleet', { token: 'wrong' }))
    await Promise.all(calls)
    const { text } = await api.call('GET', '/metrics')
    expect(text).toContain('signalbox_admin_denials_total{code="unauthenticated"} 300')
  })
})

describe('revisions', () => {
  it('are found by the time they were committed', async () => {
    await api.add('b1')
    const { at } = (await api.call('GET', 'revisions/1')).json
    const count = async (query: string) =>
      (await api.call('GET', `revisions?${query}`)).json.items.length
    expect(await count(`from=${at}&to=${at}`)).toBe(1)
    expect(await count('to=2020-01-01T00:00:00Z')).toBe(0)
    expect(await count('from=2999-01-01T00:00:00Z')).toBe(0)
    expect((await api.call('GET', 'revisions?from=yesterday')).status).toBe(400)
  })
})
