// A proxy that has more than it can do, over real sockets.
import { eventually } from '@signalbox/testing'
import { FEW_REQUESTS } from './overload.ts'
import {
  apply,
  backend,
  base,
  chat,
  codeOf,
  hello,
  proxy,
  start,
  useProxy,
} from './proxy-harness.ts'

useProxy()

it('refuses new requests over its memory, says so, and finishes those it has', async () => {
  await proxy.stop()
  await start({ memoryBytesMax: 1 })
  await eventually(async () => {
    const metrics = await (await fetch(`${base}/metrics`)).text()
    return metrics.includes('\nsignalbox_overloaded 1\n')
  })
  await apply('policy', 'p', {})
  backend.holdEvents()
  const asked = Array.from({ length: FEW_REQUESTS }, () => chat({ ...hello, stream: true }))
  await backend.requested(FEW_REQUESTS)
  const refused = await chat(hello)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await codeOf(refused)).toBe('overloaded')
  expect((await fetch(`${base}/healthz`)).status).toBe(200)
  backend.release()
  for (const one of asked) expect(await (await one).text()).toContain('[DONE]')
  await eventually(async () => (await chat(hello)).status === 200)
})
