// What the command does when the server breaks off: a server that does nothing else.
import { existsSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Folder, makeFolder } from './cli-harness.ts'

let server: Server | undefined
let folder: Folder
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  folder.remove()
})

/** Answers the events by these in turn, the fleet as an empty one and an export halfway. */
async function serve(events: readonly ((response: ServerResponse) => void)[]): Promise<void> {
  let streams = 0
  server = createServer(({ url }, response) => {
    if (url === '/admin/v1/events') events[streams++]?.(response)
    else if (url?.startsWith('/admin/v1/fleet?')) {
      response.end('{"head":{"revision":1},"live":0,"applied":0,"members":[]}')
    } else {
      response.write('{"kind":"log"}\n', () => response.destroy())
    }
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  folder = makeFolder({ SIGNALBOX_URL: `http://127.0.0.1:${port}`, SIGNALBOX_TOKEN: 't' })
}

const revision = (number: number) => `event: revision\ndata: {"revision":${number}}\n\n`
const cut = (response: ServerResponse) => {
  response.write(revision(1), () => response.destroy())
}

describe('a stream that breaks off', () => {
  it('is asked for again, and told', async () => {
    await serve([
      cut,
      (response) => response.end(revision(2)),
      (response) => response.write(revision(3)),
    ])
    const interrupt = new AbortController()
    const heard = (out: string) => {
      if (out.includes('revision 3')) interrupt.abort()
    }
    const { code, out, err } = await folder.run(['fleet', '--watch'], {
      heard,
      signal: interrupt.signal,
    })
    expect(code).toBe(130)
    expect(out.match(/revision \d/g)).toEqual(['revision 1', 'revision 2', 'revision 3'])
    expect(err).toBe('the stream broke off; asking for it again\n'.repeat(2))
  })

  it('ends the watching where it is refused the second time', async () => {
    await serve([cut, (response) => response.writeHead(401).end('{}')])
    const { code, err } = await folder.run(['fleet', '--watch'])
    expect([code, err]).toEqual([3, expect.stringContaining('signalbox: http_401: ')])
  })
})

describe('an export that breaks off', () => {
  it('leaves no file, and says that it is not whole', async () => {
    await serve([])
    const { code, err } = await folder.run(['audit', 'export', '-o', 'log.ndjson'])
    expect([code, err]).toEqual([4, expect.stringContaining('the export broke off')])
    for (const name of ['log.ndjson', 'log.ndjson.partial']) {
      expect(existsSync(join(folder.path, name))).toBe(false)
    }
    expect((await folder.run(['audit', 'export'])).code).toBe(4)
  })
})

it('an answer that is none of ours says to look at the address', async () => {
  await serve([])
  server?.removeAllListeners('request').on('request', (_, response) => response.end('<html>'))
  const { code, err } = await folder.run(['get', 'backends'])
  expect([code, err]).toEqual([4, expect.stringContaining('Check --url')])
})
