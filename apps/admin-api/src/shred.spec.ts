// What was deleted or replaced cannot be opened by anybody: neither with a copy of the database
// that was made afterwards, nor with the master key beside it.
import { openSealed } from '@signalbox/host'
import { collection, type RevisionMessage, sealedTextOf } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import pg from 'pg'
import { type Api, MASTER_KEY, startApi } from './api-harness.ts'

const KEYS = { masterKey: MASTER_KEY }
const NEW_KEY = new Uint8Array(32).map((_, i) => 255 - i)
const BOTH = { masterKey: NEW_KEY, previousMasterKeys: [MASTER_KEY] }
let api: Api
let url = ''
beforeEach(async () => {
  api = await startApi((given) => {
    url = given
    return Promise.resolve(given)
  })
})
afterEach(() => api.end())

async function sql(text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** Every row of every table, as text. */
async function dump(): Promise<string> {
  const tables = await sql(`SELECT format('%I', tablename) AS name FROM pg_tables
    WHERE schemaname = 'public'`)
  const rows: unknown[] = []
  for (const { name } of tables) {
    const bodies = name === 'revision' ? `, convert_from(body, 'UTF8') AS text` : ''
    rows.push(await sql(`SELECT *${bodies} FROM ${String(name)}`))
  }
  return JSON.stringify(rows).replaceAll('\\', '')
}

/** All that somebody opens who has a copy of the database and the master key. */
function robbed(copy: string, places: readonly string[]): readonly string[] {
  const texts = new Set(copy.match(/dk1:[\w-]+:[\w+/=]+/g))
  const wrapped = new Set(copy.match(/[0-9a-f]{8}\.[\w+/=]{40,}/g))
  const found = [...texts].flatMap((text) =>
    ['', ...[...wrapped].map((key) => `:${key}`)].flatMap((key) =>
      places.flatMap((place) => {
        const opened = openSealed(`${text}${key}`, KEYS, `default/${place}`)
        return opened.ok ? [opened.text] : []
      }),
    ),
  )
  return [...new Set(found)].sort()
}

const PLACES = ['secret/s', 'backend/b']
const setSecret = (value: string) => api.call('PUT', 'secrets/s', { body: { spec: { value } } })

describe('a value', () => {
  it('that was deleted or replaced is opened by nobody any more, whatever they hold', async () => {
    await setSecret('sk-first')
    await api.add('b', { apiKey: 'sk-own' })
    // The looking itself is looked at: while they are there, a thief of both has them.
    expect(robbed(await dump(), PLACES)).toEqual(['sk-first', 'sk-own'])

    await setSecret('sk-second')
    expect(robbed(await dump(), PLACES)).toEqual(['sk-own', 'sk-second'])

    await api.call('PATCH', 'backends/b', { body: { spec: { apiKey: null } } })
    expect(robbed(await dump(), PLACES)).toEqual(['sk-second'])

    await api.call('DELETE', 'secrets/s')
    const copy = await dump()
    expect(copy.match(/dk1:/g)?.length).toBeGreaterThan(4)
    expect(robbed(copy, PLACES)).toEqual([])
    expect((await api.call('GET', 'audit/verify')).json).toMatchObject({ ok: true })
  })

  it('that was deleted is read as it was, masked, and is not brought back', async () => {
    const made = await setSecret('sk-first')
    await api.add('b', { apiKey: 'sk-own' })
    await api.call('DELETE', 'secrets/s')
    await api.call('DELETE', 'backends/b')
    const then = await api.call('GET', 'secrets/s?asOf=1')
    expect([then.status, then.json]).toEqual([200, made.json])
    expect((await api.call('GET', 'config?asOf=2')).json.backends.b.credential).toEqual({
      fingerprint: expect.any(String),
    })
    const all = await api.call('POST', 'rollback', { body: { toRevision: 2 } })
    expect([all.status, all.json.code]).toEqual([409, 'secret_shredded'])
    expect(all.json.detail).toContain('backend b ')
    expect(all.json.remedy).toMatch(/Send its value again/)
    const named = { toRevision: 2, resources: [{ resource: 'secret', id: 's' }] }
    const one = await api.call('POST', 'rollback', { body: named })
    expect([one.status, one.json.code]).toEqual([409, 'secret_shredded'])
    const dry = await api.call('POST', 'rollback?dryRun=true', { body: named })
    expect(dry.json.code).toBe('secret_shredded')
    expect((await setSecret('sk-again')).status).toBe(201)
    expect(robbed(await dump(), PLACES)).toEqual(['sk-again'])
  })

  it('that stayed is brought back with the rest of its backend', async () => {
    await api.add('b', { apiKey: 'sk-own' })
    await api.call('PATCH', 'backends/b', { body: { spec: { weight: 7 } } })
    expect((await api.call('POST', 'rollback', { body: { toRevision: 1 } })).status).toBe(200)
    expect((await api.call('GET', 'backends/b')).json.spec.weight).toBe(1)
    expect(robbed(await dump(), PLACES)).toEqual(['sk-own'])
  })
})

it('what is published opens, and what was shredded before is published shut', async () => {
  const heard: RevisionMessage[] = []
  api.hub.connect().onRevision((message) => heard.push(message))
  await setSecret('sk-first')
  await eventually(() => heard.length === 1)
  await setSecret('sk-second')
  await eventually(() => heard.length === 2)
  const textsOf = (messages: readonly RevisionMessage[]) =>
    messages.map(({ body, dataKeys = {} }) => {
      const sealed = /"sealed":"([^"]+)"/.exec(body)?.[1] ?? ''
      const wrapped = dataKeys[sealed.split(':')[1] ?? '']
      const opened = openSealed(`${sealed}:${wrapped}`, KEYS, 'default/secret/s')
      return opened.ok ? opened.text : null
    })
  expect(textsOf(heard)).toEqual(['sk-first', 'sk-second'])
  // As for a stream that is built anew, or one that a publisher brings up after a crash.
  expect(textsOf(await api.store.toPublish(0, 10))).toEqual([null, 'sk-second'])
})

it('two instances, of which one rewraps while the other sets values, leave all of it open', async () => {
  const other = await api.again(BOTH)
  const ids = ['a', 'b', 'c', 'd']
  const set = async (id: string) => {
    for (const value of ['one', 'two', 'three']) {
      const put = await api.call('PUT', `secrets/${id}`, { body: { spec: { value } } })
      expect([200, 201]).toContain(put.status)
    }
  }
  const rewrap = async () => {
    for (let nth = 0; nth < 6; nth++) {
      expect((await other.call('POST', 'secrets/rewrap')).status).toBe(200)
    }
  }
  await Promise.all([...ids.map(set), rewrap()])
  const { json } = await other.call('POST', 'secrets/rewrap')
  expect(json).toMatchObject({ remaining: 0, missing: [] })
  const secrets = collection(await api.store.snapshotToPublish(), 'secret')
  const opened = ids.map((id) => {
    const sealed = sealedTextOf(secrets.get(id)?.spec ?? null) ?? ''
    return openSealed(sealed, { masterKey: NEW_KEY }, `default/secret/${id}`)
  })
  expect(opened.map((one) => one.ok && one.text)).toEqual(ids.map(() => 'three'))
  expect(await sql('SELECT count(*)::int AS count FROM data_key')).toEqual([{ count: 4 }])
})
