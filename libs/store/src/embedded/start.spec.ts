import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError, silentLog, systemClock } from '@signalbox/host'
import { eventually } from '@signalbox/testing'
import { findMigrations, migrate } from '../migrate.ts'
import { openStore } from '../open-store.ts'
import { DatabaseUnavailable } from '../store.ts'
import { put, runSql } from '../test-harness.ts'
import { type EmbeddedPostgres, type EmbeddedPostgresOptions } from './start.ts'
import { startEmbeddedPostgres } from './start.ts'

const asRoot = process.getuid?.() === 0
const PASSWORD = 'p@ss:word/%'
let folder: string
let running: EmbeddedPostgres[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-embedded-'))
  chmodSync(folder, 0o711)
  running = []
})
afterEach(async () => {
  await Promise.all(running.map((postgres) => postgres.stop()))
  rmSync(folder, { recursive: true, force: true })
})

const dataDir = () => join(folder, 'postgres')
async function start(more: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const options = { dataDir: dataDir(), password: PASSWORD, ephemeral: true }
  const postgres = await startEmbeddedPostgres({ ...options, ...more })
  running.push(postgres)
  return postgres
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const keep = (url: string) => runSql(url, 'CREATE TABLE kept (id int)')
const isKept = async (url: string) =>
  (await runSql(url, `SELECT to_regclass('kept') IS NOT NULL AS kept`))[0]?.kept

describe('the embedded Postgres', () => {
  it('answers with its password, and finds its data again', async () => {
    const first = await start()
    await keep(first.url)
    await first.stop()
    expect(isAlive(first.pid)).toBe(false)
    const second = await start()
    expect(await isKept(second.url)).toBe(true)
  })

  it('refuses another password, over the wire and at a start', async () => {
    const first = await start()
    const wrong = new URL(first.url)
    wrong.password = 'wrong'
    await expect(runSql(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/)
    await first.stop()
    const refused = start({ password: 'wrong' })
    await expect(refused).rejects.toThrow(/made with another password/)
    await expect(refused).rejects.toBeInstanceOf(ConfigError)
    expect(existsSync(join(dataDir(), 'postmaster.pid'))).toBe(false)
  })

  it('listens on loopback alone, and leaves its password nowhere', async () => {
    const { url, pid } = await start()
    const [addresses] = await runSql(url, 'SHOW listen_addresses')
    const [sockets] = await runSql(url, 'SHOW unix_socket_directories')
    expect([addresses, sockets]).toEqual([
      { listen_addresses: '127.0.0.1' },
      { unix_socket_directories: '' },
    ])
    const shown = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
    expect(shown.stdout).toContain(dataDir())
    expect(shown.stdout).not.toContain(PASSWORD)
    const mine = `signalbox-initdb-${process.pid}-`
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(mine))).toEqual([])
    expect(readdirSync(folder)).toEqual(['postgres'])
  })

  it('takes the port that it is told, and says so where that is taken', async () => {
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
    const address = blocker.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await expect(start({ port })).rejects.toThrow(/did not start: .*(bind|TCP)/)
    await new Promise((resolve) => blocker.close(resolve))
    expect(new URL((await start({ port })).url).port).toBe(String(port))
  })

  it('begins anew where a first start was killed half-way', async () => {
    mkdirSync(`${dataDir()}.new`)
    writeFileSync(join(`${dataDir()}.new`, 'PG_VERSION'), '18\n')
    expect(await runSql((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(readdirSync(folder)).toEqual(['postgres'])
  })

  it('leaves alone what is no database', async () => {
    mkdirSync(dataDir())
    writeFileSync(join(dataDir(), 'letter'), 'dear')
    await expect(start()).rejects.toThrow(/holds something that is no database/)
    expect(readFileSync(join(dataDir(), 'letter'), 'utf8')).toBe('dear')
  })
})

describe('after a kill', () => {
  const pidFile = () => join(dataDir(), 'postmaster.pid')

  /** Starts it in a process of its own, which then does what `then` says. */
  async function startElsewhere(then: string) {
    const program = `
      import { startEmbeddedPostgres } from ${JSON.stringify(join(import.meta.dirname, 'start.ts'))}
      const options = ${JSON.stringify({ dataDir: dataDir(), password: PASSWORD, ephemeral: true })}
      const postgres = await startEmbeddedPostgres(options)
      process.stdout.write(postgres.url + ' ' + postgres.pid)
      ${then}`
    const args = ['--no-warnings', '--input-type=module', '--eval', program]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    const [text] = (await once(child.stdout, 'data')) as [Buffer]
    const [url = '', pid = ''] = text.toString('utf8').split(' ')
    return { child, ended, url, pid: Number(pid) }
  }

  it('of all but the server, the next start takes its data over', async () => {
    const { child, ended, url, pid } = await startElsewhere('process.stdin.resume()')
    await keep(url)
    child.kill('SIGKILL')
    await ended
    expect(isAlive(pid)).toBe(true)
    const next = await start()
    expect(isAlive(pid)).toBe(false)
    expect(await isKept(next.url)).toBe(true)
  })

  it('no server is left where the process ends by itself without a stop', async () => {
    const { ended, pid } = await startElsewhere('process.exit(3)')
    expect((await ended)[0]).toBe(3)
    await eventually(() => !isAlive(pid))
    expect(await runSql((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('of the server, the next start recovers what was written', async () => {
    const first = await start({ ephemeral: false })
    await keep(first.url)
    process.kill(first.pid, 'SIGKILL')
    await first.ended
    expect(existsSync(pidFile())).toBe(true)
    expect(await isKept((await start()).url)).toBe(true)
  })

  it('a process that got the old id meanwhile is let be, and holds nothing up', async () => {
    const first = await start()
    process.kill(first.pid, 'SIGKILL')
    await first.ended
    // Another Postgres, on other data, and this very process.
    const other = await start({ dataDir: join(folder, 'other') })
    for (const pid of [other.pid, process.pid]) {
      const [, ...rest] = readFileSync(pidFile(), 'utf8').split('\n')
      writeFileSync(pidFile(), [pid, ...rest].join('\n'))
      const next = await start()
      expect(await runSql(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      process.kill(next.pid, 'SIGKILL')
      await next.ended
    }
    expect(await runSql(other.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })
})

/** Needs a user that may become another one. */
const itAsRoot = asRoot ? it : it.skip

describe('as root', () => {
  itAsRoot('runs under a user without rights', async () => {
    const { pid } = await start()
    expect(statSync(`/proc/${pid}`).uid).toBe(65_534)
  })

  itAsRoot('runs as the owner of data that was made without root', async () => {
    const owner = 12_345
    const first = await start()
    await keep(first.url)
    await first.stop()
    for (const name of ['', ...readdirSync(dataDir(), { recursive: true, encoding: 'utf8' })]) {
      chownSync(join(dataDir(), name), owner, owner)
    }
    const second = await start()
    expect(statSync(`/proc/${second.pid}`).uid).toBe(owner)
    expect(await isKept(second.url)).toBe(true)
  })

  itAsRoot('keeps the data in /var/lib where nobody else may pass, and says where', async () => {
    chmodSync(folder, 0o700)
    const first = await start()
    const place = readFileSync(join(dataDir(), 'LOCATION'), 'utf8').trim()
    try {
      expect(place).toMatch(/^\/var\/lib\/signalbox-[0-9a-f]{16}$/)
      expect(statSync(place).mode & 0o777).toBe(0o700)
      await keep(first.url)
      await first.stop()
      expect(await isKept((await start()).url)).toBe(true)
    } finally {
      await Promise.all(running.map((postgres) => postgres.stop()))
      rmSync(place, { recursive: true, force: true })
    }
  })
})

describe('a store whose Postgres is killed', () => {
  it('says so, and goes on by itself when it is back', async () => {
    const first = await start({ ephemeral: false })
    await migrate(first.url, findMigrations(import.meta.url))
    const options = { url: first.url, fleet: 'f', clock: systemClock, log: silentLog }
    const store = await openStore(options)
    try {
      await store.write(put('b1', 'http://a'))
      process.kill(first.pid, 'SIGKILL')
      await first.ended
      await expect(store.write(put('b2', 'http://a'))).rejects.toBeInstanceOf(DatabaseUnavailable)
      await expect(store.resource('backend', 'b1')).rejects.toBeInstanceOf(DatabaseUnavailable)
      expect(await store.alive()).toBe(false)
      await start({ port: Number(new URL(first.url).port) })
      expect(await store.alive()).toBe(true)
      expect(await store.write(put('b2', 'http://a'))).toMatchObject({ revision: 2 })
      expect((await store.snapshot())?.backends.size).toBe(2)
    } finally {
      await store.close()
    }
  })
})
