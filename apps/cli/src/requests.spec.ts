import { encodeRecord, type RequestRecord, TOKENS_UNKNOWN } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Fixture, startFixture } from './cli-harness.ts'

const DOCUMENT = `
backends:
  b1: { kind: vllm, url: "http://127.0.0.1:8001" }
  b2: { kind: vllm, url: "http://127.0.0.1:8002" }
routes:
  m: { tiers: [{ targets: [{ backend: b1 }, { backend: b2 }] }] }
`
let at: Fixture
beforeAll(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  await at.run(['apply', '-f', 'all.yaml'])
  await report([
    recordOf('r-1', 'b1', { tokens: { ...TOKENS_UNKNOWN, prompt: 7 }, costUsd: 0.025 }),
    recordOf('r-2', 'b2', { status: 502, code: 'upstream_failed' }),
  ])
})
afterAll(() => at.end())

function recordOf(requestId: string, backend: string, more: Partial<RequestRecord>): RequestRecord {
  return {
    ...{ id: `i-${requestId}`, requestId, atMs: Date.now() - 1_000, proxy: 'p1', revision: 1 },
    ...{ operation: 'chat.completions', key: null, model: 'm', route: 'm', status: 200 },
    ...{
      code: null,
      durationMs: 10,
      firstByteMs: 5,
      bytes: 1,
      tokens: TOKENS_UNKNOWN,
      costUsd: null,
    },
    attempts: [{ backend, outcome: more.code ?? 'answered', ms: 9, inputs: null }],
    ...more,
  }
}

async function report(records: readonly RequestRecord[]): Promise<void> {
  const bus = at.connect()
  const text = records.map(encodeRecord).join('')
  await eventually(() =>
    bus.deliverUsage({ proxy: 'p1', id: 'b', text }).then(
      () => true,
      () => false,
    ),
  )
  await bus.close()
}

describe('explain --request', () => {
  it('tells what became of a request, and fails where it failed', async () => {
    const found = await at.run(['explain', '--request', 'r-1'])
    expect(found.code).toBe(0)
    expect(found.out).toMatch(/^r-1 for m at \S+ by p1: 200\n10.0 ms, at revision 1, not exact: /)
    expect(found.out).toMatch(/attempt 1: b1, answered after 9.0 ms\nTIER .*WHY\n0 +b1 /)
    const failed = await at.run(['explain', '--request', 'r-2', '--as-of', '1', '--json'])
    expect([failed.code, failed.json.elsewhere.revision]).toEqual([1, 1])
  })

  it('refuses what is not known, and what it would ignore', async () => {
    expect((await at.run(['explain', '--request', 'nobody'])).err).toMatch(/not_found/)
    expect((await at.run(['explain', 'm', '--request', 'r-1'])).code).toBe(2)
    expect((await at.run(['explain'])).code).toBe(2)
  })
})

describe('plan', () => {
  it('tells what would change and which requests would go elsewhere', async () => {
    at.write('less.yaml', DOCUMENT.replace(', { backend: b2 }', ''))
    const found = await at.run(['plan', '-f', 'less.yaml'])
    expect(found.code).toBe(1)
    expect(found.out).toMatch(/^~ route m\n/)
    expect(found.out).toMatch(/of the last 2 requests 1 would go elsewhere, 1 may\n/)
    expect(found.out).toMatch(/\nm +1 +its backend would take no requests .* r-2\n/)
    expect((await at.store.head()).revision).toBe(1)
    expect((await at.run(['plan', '-f', 'all.yaml'])).code).toBe(0)
    const one = await at.run(['plan', '-f', 'less.yaml', '--last', '1', '--json'])
    expect(one.json.requests.looked).toBe(1)
    expect((await at.run(['plan', '-f', 'less.yaml', '--last', 'all'])).code).not.toBe(0)
  })

  it('is that of an apply of the same set, prune and force', async () => {
    at.write('none.yaml', 'policies: { spare: {} }\n')
    const much = await at.run(['plan', '-f', 'none.yaml', '--prune'])
    expect([much.code, much.err]).toEqual([3, expect.stringContaining('prune_too_large')])
    const forced = await at.run(['plan', '-f', 'none.yaml', '--prune', '--force'])
    expect(forced.out).toMatch(/^- route m$/m)
    const own = await at.run(['plan', '-f', 'none.yaml', '--set', 'team'])
    expect(own.out).toMatch(/^\+ set team\n/m)
  })
})

describe('usage and requests', () => {
  it('are told as tables and as JSON', async () => {
    const usage = await at.run(['usage', '--by', 'backend', '--since', '1h'])
    expect(usage.out).toMatch(
      /^BACKEND +REQUESTS +ERRORS +PROMPT .* USD .*\nb1 +1 +0 +7 +- +0.0250 +10.0 ms/,
    )
    const all = await at.run(['usage', '--json'])
    expect(all.json.items).toMatchObject([{ requests: 2, errors: 1 }])
    const list = await at.run(['requests', '--status', '5xx'])
    expect(list.out).toMatch(/^AT +REQUEST .*\n\S+ +r-2 +- +m +b2 +upstream_failed +1 +10.0 ms\n$/)
    const one = await at.run(['requests', '--id', 'r-1', '--limit', '1', '--json'])
    expect(one.err).toBe('')
    expect(one.json.items).toMatchObject([{ requestId: 'r-1' }])
    expect((await at.run(['usage', '--by', 'prompt'])).code).not.toBe(0)
  })
})
