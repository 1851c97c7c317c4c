// A log whose first revisions are of an older schema: as the first release wrote them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '@signalbox/host'
import {
  canonicalJson,
  ChainCheck,
  chainHash,
  collection,
  EVENT_SCHEMA,
  parseSpec,
  type ResourceName,
  RESOURCES,
  type Spec,
} from '@signalbox/model'
import { createHarness, put } from './test-harness.ts'
import { type Store } from './store.ts'

const harness = createHarness()
const fixtures = join(import.meta.dirname, '../../model/src/fixtures')
const golden: readonly { resource: ResourceName; id: string; spec: Spec }[] = JSON.parse(
  readFileSync(join(fixtures, 'events-1.json'), 'utf8'),
)

/** Appends the golden specs of schema 1 as that version did: one revision. */
async function appendOld(store: Store): Promise<void> {
  const { lineage, epoch, hash: previousHash } = await store.head()
  const events = golden.map(({ resource, id, spec }, index) => ({
    ...{ position: index + 1, type: `${resource}.created`, resource, id, version: 1, schema: 1 },
    spec,
  }))
  const facts = { fleet: 'default', lineage, epoch, revision: 1, at: '2026-01-01T00:00:00.000Z' }
  const who = { actor: 'a', role: 'admin', source: 'api', reason: null, requestId: 'r' }
  const body = canonicalJson({ v: 1, ...facts, ...who, changeRef: null, address: null, events })
  const hash = chainHash({ previousHash, epoch, revision: 1, body }, sha256)
  const bytes = [Buffer.from(body), Buffer.from(hash, 'hex')]
  await harness.sql(`SELECT append_revision('default', $1, $2)`, bytes)
}

/** Whether a spec is one that this version would have written. */
const isOfToday = (name: ResourceName, spec: unknown) => {
  const parsed = parseSpec(name, spec)
  return parsed.ok && canonicalJson(parsed.value) === canonicalJson(spec as Spec)
}

it('is read as of today, wherever it is read, and stays as it was written', async () => {
  const writer = await harness.open()
  await appendOld(writer)
  await writer.write(put('new', 'http://new'))
  const store = await harness.open()

  for (const asOf of [undefined, 1, 2]) {
    const snapshot = await store.snapshot(asOf)
    if (!snapshot) throw new Error('no snapshot')
    for (const name of RESOURCES) {
      for (const [id, { spec }] of collection(snapshot, name)) {
        expect([asOf, name, id, isOfToday(name, spec)]).toEqual([asOf, name, id, true])
      }
    }
    const page = await store.page('backend', { limit: 10, ...(asOf ? { asOf } : {}) })
    expect(page?.items.map(({ spec }) => isOfToday('backend', spec))).not.toContain(false)
    expect(page?.items.length).toBeGreaterThan(1)
  }
  for (const { resource, id } of golden) {
    expect(isOfToday(resource, (await store.resource(resource, id))?.spec)).toBe(true)
  }
  expect((await store.principals()).map(({ spec }) => isOfToday('principal', spec))).toEqual([
    true,
    true,
  ])

  const [first, second] = await store.messagesAfter(0, 2)
  expect(first?.body).toContain('"schema":1')
  expect(second?.body).toContain(`"schema":${EVENT_SCHEMA}`)
  const chain = new ChainCheck(sha256)
  expect(await store.readWhole((message) => chain.next(message))).toEqual([])
  expect(chain.end().problems).toEqual([])
})

it('is decided upon as of today', async () => {
  const store = await harness.open()
  await appendOld(store)
  let seen: unknown
  const request = put('most', 'http://changed')
  await store.write({
    ...request,
    decide: (snapshot, past) => {
      seen = snapshot.backends.get('most')?.spec
      return request.decide(snapshot, past)
    },
  })
  expect(isOfToday('backend', seen)).toBe(true)
  expect((await store.revision(2))?.changes[0]?.before).toEqual(
    golden.find(({ id }) => id === 'most')?.spec,
  )
})
