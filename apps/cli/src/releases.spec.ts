import { DOCUMENT, type Fixture, startFixture } from './cli-harness.ts'
import { readStage } from './releases.ts'

let at: Fixture
beforeEach(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  await at.run(['apply', '-f', 'all.yaml'])
  // A share of proxies is one of those that are known.
  at.connect().sendHeartbeat(await at.heartbeat(0))
  at.write('more.yaml', DOCUMENT.replace('127.0.0.1:8001', '127.0.0.1:9001'))
})
afterEach(() => at.end())

const start = (...more: string[]) => at.run(['release', 'start', '-f', 'more.yaml', ...more])
const urlOf = async (id: string) => (await at.run(['get', 'backend', id, '--json'])).json.spec.url

describe('release', () => {
  it('starts one of documents, shows it, goes on, and takes it back', async () => {
    const started = await start('--stage', '10%@1h', '--stage', 'zone=eu@2h', '--reason', 'faster')
    expect([started.code, started.err]).toEqual([0, ''])
    expect(started.out).toMatch(/^release-2 open, stage 1 of 2 \(10% for 3600s\) since 20/)
    expect(started.out).toContain('changes   backend/b2 (revision 2; elsewhere 1)')
    expect(started.out).toContain('by        admin: faster')
    expect(await urlOf('b2')).toBe('http://127.0.0.1:9001')
    const next = await at.run(['release', 'promote', 'release-2'])
    expect(next.out).toMatch(/^release-2 open, stage 2 of 2 \(zone=eu for 7200s\)/)
    const list = await at.run(['release', 'status'])
    expect(list.out).toMatch(/^RELEASE +STATE +STAGE/)
    expect(list.out).toMatch(/release-2 +open +stage 2 of 2/)
    const back = await at.run(['release', 'rollback', 'release-2', '--reason', 'no'])
    expect(back.out).toContain('why       rolled back by admin: no')
    expect(await urlOf('b2')).toBe('http://127.0.0.1:8001')
    const one = await at.run(['release', 'status', 'release-2'])
    expect(one.out).toMatch(/^release-2 rolled-back/)
    expect((await at.run(['release', 'status', 'release-2', '--json'])).json.state).toBe(
      'rolled-back',
    )
  })

  it('starts one of a revision, and promotes it to the end', async () => {
    await at.run(['apply', '-f', 'more.yaml'])
    const started = await at.run(['release', 'start', '--revision', '1'])
    expect(started.out).toContain('changes   backend/b2 (revision 3; elsewhere 2)')
    const all = await at.run(['release', 'promote', 'release-3', '--full', '--json'])
    expect(all.json).toMatchObject({
      state: 'promoted',
      why: 'promoted by admin: signalbox release promote release-3 --full',
    })
    expect(await urlOf('b2')).toBe('http://127.0.0.1:8001')
  })

  it('says what it would do, and does nothing', async () => {
    const { out, code } = await start('--dry-run')
    expect(code).toBe(0)
    expect(out).toContain('~ backend b2')
    expect(out).toContain('dry run: 2 changes to revision 1, nothing written')
    expect((await at.run(['release', 'status', '--json'])).json.items).toEqual([])
  })

  it('shows what the server refuses, and what holds up other changes', async () => {
    await start()
    const second = await start()
    expect([second.code, second.err]).toEqual([3, expect.stringContaining('release-2')])
    const applied = await at.run(['apply', '-f', 'all.yaml'])
    expect(applied.code).toBe(3)
    expect(applied.err).toContain('signalbox release rollback release-2')
    // What is as it is changes nothing: no reason to refuse it.
    expect((await at.run(['apply', '-f', 'more.yaml'])).code).toBe(0)
  })

  it('knows what is no release before it asks anybody', async () => {
    for (const args of [
      [],
      ['-f', 'more.yaml', '--revision', '1'],
      ['--revision', 'x'],
      ['--revision', '1', '--stage', 'all'],
      ['--revision', '1', '--guard', 'minRequests'],
    ]) {
      expect((await at.run(['release', 'start', ...args])).code).toBe(2)
    }
    const wrong = await start('--guard', 'minRequests=0')
    expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining('guard.minRequests')])
  })
})

it.each([
  ['5%', { percent: 5 }],
  ['50%@90s', { percent: 50, bake: '90s' }],
  ['zone=eu,canary=yes@5m', { labels: { zone: 'eu', canary: 'yes' }, bake: '5m' }],
  ['owner=a@b', { labels: { owner: 'a@b' } }],
])('the stage %s is read', (text, stage) => expect(readStage(text)).toEqual(stage))
