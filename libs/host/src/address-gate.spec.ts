import { once } from 'node:events'
import { type lookup } from 'node:dns'
import { type AddressInfo, connect, createServer } from 'node:net'
import { ADDRESS_REFUSED, openGate } from './address-gate.ts'

type Answers = readonly (readonly string[])[]

/** Answers each question with the next list; counts them. */
function resolver(answers: Answers) {
  const asked: string[] = []
  const resolve = ((name: string, _options: unknown, done: (...all: unknown[]) => void) => {
    const list = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(name)
    const missing = Object.assign(new Error('not found'), { code: 'ENOTFOUND' })
    const found = list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    done(list.length > 0 ? null : missing, found)
  }) as unknown as typeof lookup
  return { resolve, asked }
}

const notLoopback = (address: string) => !address.startsWith('127.')

async function serve() {
  const server = createServer((socket) => socket.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** `hello`, or the code of the error. */
function reach(port: number, lookup: ReturnType<typeof openGate>['lookup']): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: 'backend.test', port, lookup })
    socket.on('data', (bytes) => resolve(bytes.toString()))
    socket.on('error', (error) => resolve(String((error as { code?: string }).code)))
  })
}

describe('the gate before a connection', () => {
  it('connects to an address that may be, and refuses one that may not', async () => {
    const { server, port } = await serve()
    const { resolve } = resolver([['127.0.0.1']])
    expect(await reach(port, openGate('backend.test', () => true, resolve).lookup)).toBe('hello')
    const closed = openGate('backend.test', notLoopback, resolve)
    expect(await reach(port, closed.lookup)).toBe(ADDRESS_REFUSED)
    server.close()
  })

  it('uses of several addresses those that may be', async () => {
    const { server, port } = await serve()
    const { resolve } = resolver([['169.254.169.254', '127.0.0.1', '::1']])
    const gate = openGate('backend.test', (address) => address.startsWith('127.'), resolve)
    expect(await reach(port, gate.lookup)).toBe('hello')
    const one = await new Promise((done) => {
      gate.lookup('backend.test', {}, (_error, address) => done(address))
    })
    expect(one).toBe('127.0.0.1')
    server.close()
  })

  it('connects to what it looked at: another answer to a second question gains nothing', async () => {
    const { server, port } = await serve()
    const { resolve, asked } = resolver([['127.0.0.1'], ['169.254.169.254']])
    const may = (address: string) => address.startsWith('127.')
    const gate = openGate('backend.test', may, resolve)
    expect(await reach(port, gate.lookup)).toBe('hello')
    expect(asked).toHaveLength(1)
    expect(await reach(port, gate.lookup)).toBe(ADDRESS_REFUSED)
    server.close()
  })

  it('says of an address that is written out whether it may be, and of a name nothing', () => {
    expect(openGate('127.0.0.1', notLoopback).refusal?.code).toBe(ADDRESS_REFUSED)
    expect(openGate('[::1]', (address) => address !== '::1').refusal?.code).toBe(ADDRESS_REFUSED)
    expect(openGate('10.0.0.1', notLoopback).refusal).toBeUndefined()
    expect(openGate('127.0.0.1.test', notLoopback).refusal).toBeUndefined()
  })

  it('refuses a name once an address that it led to may no longer be', async () => {
    const { resolve } = resolver([['127.0.0.1', '127.0.0.2'], ['10.0.0.1']])
    const refused = new Set<string>()
    const gate = openGate('backend.test', (address) => !refused.has(address), resolve)
    await new Promise((done) => gate.lookup('backend.test', {}, done))
    refused.add('10.0.0.1')
    expect(gate.refusal).toBeUndefined()
    refused.add('127.0.0.2')
    expect(gate.refusal?.code).toBe(ADDRESS_REFUSED)
  })

  it('passes on that a name is not found', async () => {
    const { resolve } = resolver([[]])
    expect(await reach(1, openGate('backend.test', () => true, resolve).lookup)).toBe('ENOTFOUND')
  })
})
