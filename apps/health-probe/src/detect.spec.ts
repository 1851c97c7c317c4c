// What a first start finds on this machine and in its environment.
import { type Detected, detectBackends } from './detect.ts'
import { another, backend, useProbe } from './probe-harness.ts'

useProbe()

const LIST = '/v1/models'
const at = (url: string, id = 'ollama') => ({ id, kind: 'ollama', url }) as Detected
const detected = async (...places: readonly Detected[]) =>
  (await detectBackends({}, places)).map(({ id }) => id)

describe('detectBackends', () => {
  it('finds a server that lists models', async () => {
    expect(await detectBackends({}, [at(backend.url)])).toEqual([at(backend.url)])
    expect(backend.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([`GET ${LIST}`])
  })

  it('finds one that has no models yet', async () => {
    backend.setModels([])
    expect(await detected(at(backend.url))).toEqual(['ollama'])
  })

  it('finds several, in the order in which it knows them', async () => {
    const other = await another()
    const gone = await another()
    await gone.refuse()
    const places = [at(backend.url, 'a'), at(gone.url, 'b'), at(other.url, 'c')]
    expect(await detected(...places)).toEqual(['a', 'c'])
  })

  it('finds nothing where nobody listens', async () => {
    await backend.refuse()
    expect(await detected(at(backend.url))).toEqual([])
  })

  it.each([
    ['a web page', 200, '<html>It works!</html>'],
    ['other JSON', 200, '{"status":"ok"}'],
    ['half a list', 200, '{"data":[{"id"'],
    ['nothing', 204, ''],
    ['a list as an error', 500, '{"data":[{"id":"a"}]}'],
    ['a demand for a key', 401, '{"data":[]}'],
    ['more than a list of models has', 200, `{"data":[],"more":"${'x'.repeat(1_048_576)}"}`],
  ])('leaves a server alone that answers %s', async (_, status, body) => {
    backend.failWith(status, { body })
    expect(await detected(at(backend.url))).toEqual([])
  })

  it('does not follow a server elsewhere', async () => {
    const elsewhere = await another()
    backend.failWith(302, { headers: { location: elsewhere.url + LIST } })
    expect(await detected(at(backend.url))).toEqual([])
    expect(elsewhere.requests).toEqual([])
  })

  it('reads no further than a list of models goes', async () => {
    const part = Buffer.alloc(65_536, ' ')
    let sent = () => Infinity
    backend.answerWith((_request, response) => {
      sent = () => response.req.socket.bytesWritten
      const more = () => {
        while (!response.destroyed && response.write(part));
      }
      response.on('drain', more)
      more()
    })
    expect(await detected(at(backend.url))).toEqual([])
    await backend.disconnected(1)
    // The list's maximum, and what lies in the buffers of both sides.
    expect(sent()).toBeLessThan(33_554_432)
  })

  it('waits for no server that does not answer, and finds the others', async () => {
    const hanging = await another()
    hanging.hang()
    expect(await detected(at(hanging.url, 'a'), at(backend.url, 'b'))).toEqual(['b'])
    await hanging.disconnected(1)
  })
})

describe('keys in the environment', () => {
  it('name the hosted backends that they are for', async () => {
    const env = { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: ' sk-2\n', GEMINI_API_KEY: 'g-3' }
    expect(await detectBackends(env, [])).toEqual([
      { id: 'openai', kind: 'openai', url: 'https://api.openai.com', apiKey: 'sk-1' },
      { id: 'anthropic', kind: 'anthropic', url: 'https://api.anthropic.com', apiKey: 'sk-2' },
      {
        id: 'gemini',
        kind: 'gemini',
        url: 'https://generativelanguage.googleapis.com/v1beta/openai',
        apiKey: 'g-3',
      },
    ])
  })

  it('name none where they are empty or missing', async () => {
    expect(await detectBackends({ OPENAI_API_KEY: '', GEMINI_API_KEY: '  ' }, [])).toEqual([])
  })

  it('are not sent to local servers', async () => {
    await detectBackends({ OPENAI_API_KEY: 'sk-1' }, [at(backend.url)])
    expect(JSON.stringify(backend.requests[0]?.headers)).not.toContain('sk-1')
  })
})
