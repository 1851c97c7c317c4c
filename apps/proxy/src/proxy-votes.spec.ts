// What a proxy makes of several probes, and of a backend that nobody looks at any more.
import { type HubBus } from '@signalbox/bus'
import { type Health } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { apply, backend, base, chat, codeOf, hello, hub, useProxy } from './proxy-harness.ts'

useProxy()

let probe: HubBus
let checkedAtMs: number

beforeEach(() => {
  probe = hub.connect()
  checkedAtMs = 0
})
afterEach(() => probe.close())

function say(observer: string, health: Health) {
  const times = { sinceMs: 1, checkedAtMs: ++checkedAtMs, latencyMs: 1 }
  const found = { error: health === 'down' ? 'gone' : null, models: null, revision: 1 }
  const status = { backend: 'b1', health, observer, ...times, ...found }
  probe.sendStatus({ observer, statuses: [status] })
}

const health = async () => {
  const answer = await (await fetch(`${base}/admin/health`)).json()
  return (answer as { backends: { health: string }[] }).backends[0]?.health
}
const is = (wanted: Health) => eventually(async () => (await health()) === wanted)

it('one probe of several takes no backend out; most of them do, and one that leaves counts no more', async () => {
  say('p1', 'ready')
  say('p2', 'ready')
  say('p3', 'down')
  await is('ready')
  expect((await chat(hello)).status).toBe(200)
  say('p2', 'down')
  await is('down')
  expect(await codeOf(await chat(hello))).toBe('no_backend')
  probe.sendStatus({ observer: 'p3', statuses: [], leaving: true })
  await is('ready')
  expect((await chat(hello)).status).toBe(200)
})

it('a backend that is no longer looked at is usable, whatever was seen last', async () => {
  say('p1', 'down')
  await is('down')
  const spec = { kind: 'openai-compatible', url: backend.url, models: ['m1'] }
  await apply('backend', 'b1', { ...spec, health: { enabled: false } })
  expect((await chat(hello)).status).toBe(200)
})
