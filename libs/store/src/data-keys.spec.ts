import { type Draft, ok, parseSpec, sealedTextOf, type Snapshot, type Spec } from '@signalbox/model'
import { type Store, type WriteRequest } from './store.ts'
import { change, createHarness } from './test-harness.ts'

const harness = createHarness()

const sealed = (key: string) => `dk1:${key}:TEXT`

/** Creates, replaces or (null) deletes a secret that is sealed under a data key of this id. */
function put(id: string, key: string | null, more: Partial<WriteRequest> = {}): WriteRequest {
  const draft = (now: Snapshot): Draft => {
    const before = now.secrets.get(id)
    const op = key === null ? 'deleted' : before ? 'updated' : 'created'
    const spec = key === null ? null : specOf(sealed(key), before?.spec.labels)
    return {
      ...{ type: `secret.${op}`, resource: 'secret', id, spec },
      version: (before?.version ?? 0) + 1,
    }
  }
  const dataKeys = new Map(key === null ? [] : [[key, `m.${key}`]])
  return { ...change(() => []), dataKeys, decide: (now) => ok([draft(now)]), ...more }
}

function specOf(text: string, labels = {}): Spec {
  const spec = parseSpec('secret', { sealed: text, fingerprint: 'f', labels })
  if (!spec.ok) throw new Error('wrong spec')
  return spec.value
}

const keys = async () =>
  (await harness.sql('SELECT key, wrapped FROM data_key ORDER BY key')).map(
    ({ key, wrapped }: { key: string; wrapped: string }) => `${key}=${wrapped}`,
  )
const sentTo = async (store: Store) =>
  (await store.toPublish(0, 100)).map(({ dataKeys }) => dataKeys ?? null)

describe('a data key', () => {
  it('is kept with what it seals, and goes when that is replaced or deleted', async () => {
    const store = await harness.open()
    await store.write(put('s', 'k1'))
    await store.write(put('t', 'k2'))
    expect(await keys()).toEqual(['k1=m.k1', 'k2=m.k2'])
    await store.write(put('s', 'k3'))
    expect(await keys()).toEqual(['k2=m.k2', 'k3=m.k3'])
    await store.write(put('t', null))
    expect(await keys()).toEqual(['k3=m.k3'])
  })

  it('is in no body, and is published with what it seals for as long as it is there', async () => {
    const store = await harness.open()
    await store.write(put('s', 'k1'))
    expect(await sentTo(store)).toEqual([{ k1: 'm.k1' }])
    await store.write(put('s', 'k2'))
    expect(await sentTo(store)).toEqual([null, { k2: 'm.k2' }])
    const told = await store.messagesAfter(0, 100)
    expect(JSON.stringify(told)).not.toMatch(/m\.k|dataKeys/)
    const { secrets } = await store.snapshotToPublish()
    expect(sealedTextOf(secrets.get('s')?.spec ?? null)).toBe('dk1:k2:TEXT:m.k2')
    expect((await store.resource('secret', 's'))?.spec.sealed).toBe('dk1:k2:TEXT')
    expect((await store.snapshot())?.secrets.get('s')?.spec.sealed).toBe('dk1:k2:TEXT')
    expect(await store.sealed({ resource: 'secret', after: '', limit: 9 })).toEqual([
      { resource: 'secret', id: 's', sealed: 'dk1:k2:TEXT', wrapped: 'm.k2' },
    ])
  })

  it('is wrapped anew in its place, and not in that of another', async () => {
    const store = await harness.open()
    await store.write(put('s', 'k1'))
    await store.write(put('s', 'k1', { dataKeys: new Map([['k1', 'new.k1']]) }))
    expect(await keys()).toEqual(['k1=new.k1'])
    const stolen = put('t', 'k1', { dataKeys: new Map([['k1', 'bad.k1']]) })
    await expect(store.write(stolen)).rejects.toThrow('that of another resource')
    expect(await keys()).toEqual(['k1=new.k1'])
  })

  it('comes and goes with its transaction', async () => {
    const store = await harness.open()
    await store.write(put('s', 'k1'))
    const present = () => {
      throw new Error('a crash')
    }
    await expect(store.write(put('s', 'k2', { present }))).rejects.toThrow('a crash')
    await expect(store.write(put('s', null, { present }))).rejects.toThrow('a crash')
    await store.write(put('s', 'k3', { dryRun: true }))
    await store.write(put('s', null, { dryRun: true }))
    expect(await keys()).toEqual(['k1=m.k1'])
  })

  it('that is gone is not brought back: the change is refused, and names what', async () => {
    const [store, other] = [await harness.open(), await harness.open()]
    await store.write(put('s', 'k1'))
    await other.write(put('s', null))
    const back = await store.write(put('s', 'k1', { dataKeys: new Map() }))
    expect(back).toMatchObject({
      kind: 'refused',
      refusal: { code: 'secret_shredded', message: expect.stringContaining('secret s ') },
    })
    expect((await store.head()).revision).toBe(2)
    expect((await store.write(put('s', 'k2'))).kind).toBe('committed')
  })

  it('that is lost does not stop a change that leaves the value as it is', async () => {
    const store = await harness.open()
    await store.write(put('s', 'k1'))
    await harness.sql('DELETE FROM data_key')
    const labelled = put('s', 'k1', {
      dataKeys: new Map(),
      decide: () => {
        const spec = specOf(sealed('k1'), { team: 'a' })
        return ok([{ type: 'secret.updated', resource: 'secret', id: 's', version: 2, spec }])
      },
    })
    expect((await store.write(labelled)).kind).toBe('committed')
  })

  it('goes whoever appends, and only that of the same fleet and resource', async () => {
    const [store, other] = [await harness.open(), await harness.open({ fleet: 'other' })]
    await store.write(put('s', 'k1'))
    await other.write(put('s', 'k2'))
    const backend = parseSpec('backend', {
      kind: 'openai',
      url: 'http://a',
      credential: { sealed: sealed('k3'), fingerprint: 'f' },
    })
    if (!backend.ok) throw new Error('wrong spec')
    const draft = { resource: 'backend', id: 's', version: 1, spec: backend.value } as const
    const made = put('s', 'k3', { decide: () => ok([{ ...draft, type: 'backend.created' }]) })
    await store.write(made)
    expect(await keys()).toEqual(['k1=m.k1', 'k2=m.k2', 'k3=m.k3'])
    // As an earlier version would: it knows nothing of data keys.
    const { dataKeys: _, ...old } = put('s', null)
    await store.write(old)
    expect(await keys()).toEqual(['k2=m.k2', 'k3=m.k3'])
  })

  it('of a log that is copied, table by table, stays with what is present there', async () => {
    const store = await harness.open()
    await store.write(put('s', 'k1'))
    await store.write(put('s', 'k2'))
    for (const table of ['log_head', 'revision', 'data_key', 'event']) {
      const columns = await harness.sql(
        `SELECT string_agg(quote_ident(column_name), ', ') AS names
          FROM information_schema.columns WHERE table_name = $1 AND column_name <> 'fleet'`,
        [table],
      )
      const { names } = columns[0] as { names: string }
      await harness.sql(
        `INSERT INTO ${table} (fleet, ${names}) SELECT 'copy', ${names} FROM ${table}`,
      )
    }
    const left = await harness.sql(`SELECT key FROM data_key WHERE fleet = 'copy'`)
    expect(left).toEqual([{ key: 'k2' }])
  })
})
