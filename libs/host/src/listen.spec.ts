import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  listen,
  listenError,
  type ListenAddress,
  parseListen,
  parseListenList,
  showListen,
} from './listen.ts'

const VARIABLE = 'SIGNALBOX_LISTEN'
const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
const servers: Server[] = []

function server(): Server {
  const made = createServer()
  servers.push(made)
  return made
}

afterEach(async () => {
  for (const one of servers.splice(0)) await new Promise((resolve) => one.close(resolve))
})

describe('parseListen', () => {
  it.each<[string, ListenAddress]>([
    ['127.0.0.1:8080', { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['[::1]:65535', { kind: 'tcp', host: '::1', port: 65_535 }],
    [':8080', { kind: 'tcp', host: '0.0.0.0', port: 8080 }],
    ['unix:/run/signalbox.sock', { kind: 'unix', path: '/run/signalbox.sock' }],
  ])('takes %j', (text, address) => expect(parseListen(text)).toEqual(address))

  it.each([
    '',
    '8080',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '::1:8080',
    '[::1]',
    '[]:80',
    'http://127.0.0.1:80',
    'a b:80',
    'unix:relative.sock',
    'unix:',
  ])('refuses %j', (text) => expect(parseListen(text)).toBeUndefined())
})

describe('parseListenList', () => {
  it('takes several addresses, with space around them', () => {
    expect(parseListenList(':80, unix:/a')).toEqual([
      { kind: 'tcp', host: '0.0.0.0', port: 80 },
      { kind: 'unix', path: '/a' },
    ])
  })

  it.each(['', ':80,', ':80;:81', ':80,x'])('refuses all of %j for one that is wrong', (text) =>
    expect(parseListenList(text)).toBeUndefined(),
  )
})

describe('showListen', () => {
  it.each(['127.0.0.1:8080', '[::1]:8080', 'unix:/run/signalbox.sock'])(
    'shows %s as it is written',
    (text) => {
      const address = parseListen(text)
      expect(address && showListen(address)).toBe(text)
    },
  )
})

describe('listen', () => {
  it('answers the port that was really taken', async () => {
    const own = server()
    const taken = await listen(own, loopback, VARIABLE)
    expect(taken).toEqual({ ...loopback, port: expect.any(Number) })
    expect(own.address()).toMatchObject({ port: taken.kind === 'tcp' && taken.port })
  })

  it('listens on a path', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-listen-'))
    const address = { kind: 'unix', path: join(folder, 's') } as const
    const own = server()
    expect(await listen(own, address, VARIABLE)).toEqual(address)
    expect(own.address()).toBe(address.path)
    rmSync(folder, { recursive: true })
  })

  it('names the address and the variable where the port is in use', async () => {
    const taken = await listen(server(), loopback, VARIABLE)
    await expect(listen(server(), taken, VARIABLE)).rejects.toMatchObject({
      name: 'ConfigError',
      message:
        `${showListen(taken)} is in use by another process; ` +
        'stop it, or set SIGNALBOX_LISTEN to another address',
    })
  })

  it('names them where there is no such address here', async () => {
    // TEST-NET-1 (RFC 5737): no machine has it.
    const address = { kind: 'tcp', host: '192.0.2.1', port: 0 } as const
    await expect(listen(server(), address, VARIABLE)).rejects.toMatchObject({
      name: 'ConfigError',
      message: 'cannot listen on 192.0.2.1:0 (EADDRNOTAVAIL); set SIGNALBOX_LISTEN to another',
    })
  })

  it('names them where the path lies in no folder', async () => {
    const address = { kind: 'unix', path: '/nonexistent-signalbox/s' } as const
    await expect(listen(server(), address, VARIABLE)).rejects.toMatchObject({
      name: 'ConfigError',
      message:
        'unix:/nonexistent-signalbox/s may not be used by this user; ' +
        'set SIGNALBOX_LISTEN to a path in a folder that it may write',
    })
  })
})

describe('listenError', () => {
  const denied = Object.assign(new Error('denied'), { code: 'EACCES' })
  const line = (address: ListenAddress) =>
    listenError(denied, { address, variable: VARIABLE }).message

  it('says which ports need no rights', () => {
    expect(line({ kind: 'tcp', host: '0.0.0.0', port: 80 })).toBe(
      '0.0.0.0:80 may not be used by this user; set SIGNALBOX_LISTEN to a port above 1023',
    )
  })

  it('does not speak of ports where a path may not be written', () => {
    expect(line({ kind: 'unix', path: '/run/s' })).toBe(
      'unix:/run/s may not be used by this user; set SIGNALBOX_LISTEN to a path in a folder that it may write',
    )
  })
})
