import { eventually } from '@signalbox/testing'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'

useProxy()

const sample = async (name: string) => {
  const text = await (await fetch(`${base}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  )
}

describe('how a proxy keeps up', () => {
  it('is counted: acks once durable, what it runs, how long ago', async () => {
    await eventually(async () => (await sample('signalbox_acks_total')) === 1)
    await apply('policy', 'p', { strategy: 'RoundRobin' })
    await eventually(async () => (await sample('signalbox_acks_total')) === 2)
    expect(await sample('signalbox_revision_applied')).toBe(2)
    expect(await sample('signalbox_revision_durable')).toBe(2)
    expect(await sample('signalbox_revisions_behind')).toBe(0)
    expect(await sample('signalbox_nacks_total')).toBe(0)
    expect(await sample('signalbox_head_age_seconds')).toBeGreaterThanOrEqual(0)
  })

  it('counts what it refused once, however many revisions follow', async () => {
    const credential = { sealed: 'AAAA', fingerprint: 'f' }
    const spec = { kind: 'openai', url: backend.url, models: ['m2'], credential }
    await apply('backend', 'b2', spec)
    await apply('policy', 'p', { strategy: 'RoundRobin' })
    expect(await sample('signalbox_nacks_total')).toBe(1)
    expect(await sample('signalbox_nacked_resources')).toBe(1)
    await apply('backend', 'b2', { ...spec, labels: { changed: 'true' } })
    expect(await sample('signalbox_nacks_total')).toBe(2)
    await apply('backend', 'b2', null)
    expect(await sample('signalbox_nacked_resources')).toBe(0)
  })

  it('counts ejections by backend', async () => {
    await backend.refuse()
    for (let nth = 0; nth < 3; nth++) await (await chat(hello)).text()
    expect(await sample('signalbox_ejections_total{backend="b1",cause="connect"}')).toBe(1)
  })
})
