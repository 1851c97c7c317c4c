import { eventually } from '@signalbox/testing'
import { type Api, startApi, TOKENS } from './api-harness.ts'

let at: Api
beforeEach(async () => {
  at = await startApi()
})
afterEach(() => at.end())

/** Opens the stream and collects what it says; `done` settles when the server ends it. */
async function listen() {
  const answer = await fetch(`${at.base}/admin/v1/events`, {
    headers: { authorization: `Bearer ${TOKENS.viewer}` },
  })
  const heard = { text: '' }
  const decoder = new TextDecoder()
  const read = async () => {
    for await (const chunk of answer.body ?? []) heard.text += decoder.decode(chunk)
  }
  return { answer, heard, done: read() }
}

describe('the event stream', () => {
  it('says where the log ends, then each revision, member and status as they come', async () => {
    await at.add('b1')
    const { answer, heard, done } = await listen()
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    await eventually(() => heard.text.includes('event: revision\ndata: {"revision":1}'))
    await at.add('b2')
    await eventually(() => heard.text.includes('event: revision\ndata: {"revision":2}'))
    const member = at.hub.connect()
    member.sendHeartbeat(await at.heartbeat(1))
    await eventually(() => /event: member\ndata: .*"id":"p1".*"lag":1/.test(heard.text))
    await member.close()
    await at.api.stop()
    await done
    expect(heard.text).not.toContain('event: status')
  })

  it('needs a token', async () => {
    expect((await at.call('GET', 'events', { token: '' })).status).toBe(401)
  })

  it('answers HEAD without staying open', async () => {
    expect((await at.call('HEAD', 'events')).status).toBe(200)
  })
})
