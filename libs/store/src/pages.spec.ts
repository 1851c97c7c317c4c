import { parseSpec, type Snapshot } from '@signalbox/model'
import { type PageQuery, type Store } from './store.ts'
import { change, createHarness, draftOf } from './test-harness.ts'

const harness = createHarness()

const labelled = (snapshot: Snapshot, id: string, labels: Record<string, string>) => {
  const spec = parseSpec('backend', { kind: 'vllm', url: 'http://x', labels })
  if (!spec.ok) throw new Error('wrong spec')
  return { ...draftOf(snapshot, id, 'http://x'), spec: spec.value }
}

/** Five revisions: a to e are made, b changes, c goes and comes back, d goes. */
async function fill(): Promise<Store> {
  const store = await harness.open()
  const all = ['e', 'b', 'a', 'd', 'c']
  await store.write(change((now) => all.map((id) => draftOf(now, id, `http://${id}`))))
  await store.write(change((now) => [draftOf(now, 'b', 'http://changed'), draftOf(now, 'c', null)]))
  await store.write(change((now) => [draftOf(now, 'c', 'http://back')]))
  await store.write(change((now) => [draftOf(now, 'd', null)]))
  await store.write(
    change((now) => [
      labelled(now, 'L1', { zone: 'x' }),
      labelled(now, 'L2', { zone: 'y', constructor: '1' }),
    ]),
  )
  return store
}

async function walk(store: Store, query: Partial<PageQuery> = {}) {
  const items: unknown[] = []
  let after: string | undefined
  for (;;) {
    const page = await store.page('backend', {
      limit: 2,
      ...query,
      ...(after === undefined ? {} : { after }),
    })
    if (!page) return null
    items.push(...page.items)
    if (!page.more) return items
    after = page.items.at(-1)?.id
  }
}

const idsOf = async (store: Store, query: Partial<PageQuery> = {}) =>
  ((await walk(store, query)) as { id: string }[]).map(({ id }) => id)

describe('pages', () => {
  it('together are the state, sorted by id, at every revision', async () => {
    const store = await fill()
    for (let asOf = 0; asOf <= 5; asOf++) {
      const snapshot = await store.snapshot(asOf)
      const sorted = [...(snapshot?.backends.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1))
      expect(await walk(store, { asOf })).toEqual(sorted)
    }
    expect(await idsOf(store)).toEqual(['L1', 'L2', 'a', 'b', 'c', 'e'])
    expect(await walk(store, { asOf: 6 })).toBeNull()
  })

  it('say of which state they are, and whether there is more', async () => {
    const store = await fill()
    expect(await store.page('backend', { limit: 6 })).toMatchObject({ revision: 5, more: false })
    expect(await store.page('backend', { limit: 5, asOf: 4 })).toMatchObject({ revision: 4 })
    expect(await store.page('route', { limit: 5 })).toEqual({ revision: 5, items: [], more: false })
  })

  it.each<[Partial<PageQuery>, string[]]>([
    [{ q: 'l' }, ['L1', 'L2']],
    [{ q: '%' }, []],
    [{ kind: 'vllm' }, ['L1', 'L2']],
    [{ kind: 'nope' }, []],
    [{ label: { name: 'zone' } }, ['L1', 'L2']],
    [{ label: { name: 'zone', value: 'y' } }, ['L2']],
    [{ label: { name: 'zone', value: '' } }, []],
    [{ label: { name: 'constructor' } }, ['L2']],
    [{ label: { name: 'toString' } }, []],
    [{ label: { name: 'zone' }, asOf: 4 }, []],
    [{ after: 'b' }, ['c', 'e']],
  ])('are what %j asks for', async (query, ids) => {
    const store = await fill()
    const page = await store.page('backend', { limit: 9, ...query })
    expect(page?.items.map(({ id }) => id)).toEqual(ids)
  })
})
