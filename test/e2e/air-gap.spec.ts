// A site that no network reaches: what `signalbox snapshot export` wrote is carried there, and a
// proxy and a probe start from it alone: no NATS, no admin API, nothing on their disks.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  eventually,
  findNatsServer,
  freePort,
  freshDatabase,
  type MockBackend,
  startMockBackend,
  startNatsServer,
} from '@signalbox/testing'
import { createFleet, MASTER_KEY, NO_NATS, type ProcessFleet, TOKEN } from './fleet-harness.ts'
import { end, endProcesses, root, type Started, startProcess } from './processes-harness.ts'

const EACH_MS = 300_000
const CREDENTIAL = 'canary-air-gap-Qh3V'

let folder: string
let backend: MockBackend
let site: { readonly proxy: number; readonly probe: number }
const snapshot = () => join(folder, 'carried')

/** A process of the site: what it has of the world outside is a folder. */
function startAtSite(app: 'proxy' | 'health-probe', more: Record<string, string> = {}): Started {
  const env = {
    SIGNALBOX_SNAPSHOT_DIR: snapshot(),
    SIGNALBOX_MASTER_KEY: MASTER_KEY,
    SIGNALBOX_DATA_DIR: join(folder, 'data'),
    SIGNALBOX_PROXY_ID: 'site',
    SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${site.proxy}`,
    SIGNALBOX_PROBE_LISTEN: `127.0.0.1:${site.probe}`,
    SIGNALBOX_DRAIN_NOTICE: '0s',
    SIGNALBOX_LOG: 'warn',
    ...more,
  }
  return startProcess(app, { env })
}

async function ready(port: number) {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- looked at in tests
  return { status: answer.status, body: (await answer.json()) as any }
}

const chat = (model: string) =>
  fetch(`http://127.0.0.1:${site.proxy}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  })

/** The admin API and its NATS, as long as `during` runs; then both are gone. */
async function withControlPlane(during: (fleet: ProcessFleet) => Promise<void>): Promise<void> {
  const [nats, database] = await Promise.all([startNatsServer(), freshDatabase()])
  const fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
  try {
    const admin = await fleet.startAdmin()
    await during(fleet)
    await end(admin, 'SIGTERM')
  } finally {
    await endProcesses()
    await nats.stop()
    await database.drop()
    fleet.remove()
  }
}

async function addBackend(fleet: ProcessFleet, id: string): Promise<void> {
  const spec = {
    kind: 'openai-compatible',
    url: backend.url,
    models: [id],
    apiKey: CREDENTIAL,
  }
  const { status, text } = await fleet.call('POST', 'backends', { id, spec })
  if (status !== 201) throw new Error(text)
}

/** With the command, into a folder of its own: what is carried is a copy. */
function exportTo(fleet: ProcessFleet, name: string): string {
  const to = join(folder, name)
  const args = [join(root, 'dist/cli/main.js'), 'snapshot', 'export', to]
  const env = { PATH: process.env['PATH'], SIGNALBOX_URL: fleet.adminUrl, SIGNALBOX_TOKEN: TOKEN }
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(stdout + stderr)
  return to
}

function describeSite() {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'signalbox-air-gap-'))
    backend = await startMockBackend({ models: ['m1', 'm2'] })
    site = { proxy: await freePort(), probe: await freePort() }
  })
  afterEach(async () => {
    await endProcesses()
    await backend.stop()
    rmSync(folder, { recursive: true, force: true })
  }, EACH_MS)

  it(
    'starts from the folder alone, serves, and takes a newer one that is carried there',
    async () => {
      let first = ''
      let second = ''
      await withControlPlane(async (fleet) => {
        await addBackend(fleet, 'm1')
        first = exportTo(fleet, 'first')
        await addBackend(fleet, 'm2')
        second = exportTo(fleet, 'second')
      })
      // Started too early, it waits, and says for what.
      const proxy = startAtSite('proxy')
      await eventually(async () => (await ready(site.proxy)).body.reasons.length > 3)
      expect(await ready(site.proxy)).toMatchObject({
        status: 503,
        body: {
          reasons: [
            ...['no configuration yet', 'no-configuration', 'no-bus', 'snapshot-dir: empty'],
          ],
        },
      })
      cpSync(first, snapshot(), { recursive: true })
      await eventually(async () => (await ready(site.proxy)).status === 200)
      expect((await ready(site.proxy)).body.detail).toMatchObject({ revision: 1 })
      expect((await chat('m1')).status).toBe(200)
      expect(backend.requests.at(-1)?.headers['authorization']).toBe(`Bearer ${CREDENTIAL}`)
      expect((await chat('m2')).status).toBe(404)
      startAtSite('health-probe')
      await eventually(async () => (await ready(site.probe)).status === 200)
      cpSync(second, snapshot(), { recursive: true })
      await eventually(async () => (await chat('m2')).status === 200)
      // From now on its own disk does.
      await end(proxy, 'SIGTERM')
      rmSync(snapshot(), { recursive: true })
      startAtSite('proxy')
      await eventually(async () => (await ready(site.proxy)).status === 200)
      expect((await chat('m2')).status).toBe(200)
    },
    EACH_MS,
  )

  it(
    'starts with several workers, and refuses what is not signed by this fleet',
    async () => {
      await withControlPlane(async (fleet) => {
        await addBackend(fleet, 'm1')
        cpSync(exportTo(fleet, 'first'), snapshot(), { recursive: true })
      })
      const other = Buffer.from(MASTER_KEY, 'base64').reverse().toString('base64')
      const wrong = startAtSite('proxy', { SIGNALBOX_MASTER_KEY: other })
      const refused = 'snapshot-dir: it is not signed with a key of this fleet'
      await eventually(async () => (await ready(site.proxy)).body.reasons.includes(refused))
      await end(wrong, 'SIGTERM')
      expect(existsSync(join(folder, 'data/proxy/site/snapshot-a.json'))).toBe(false)
      startAtSite('proxy', { SIGNALBOX_WORKERS: '2' })
      await eventually(async () => (await chat('m1')).status === 200)
      // A chunk that is damaged on the way is noticed before anything is taken from it.
      await endProcesses()
      rmSync(join(folder, 'data'), { recursive: true })
      for (const name of readdirSync(join(snapshot(), 'chunks'))) {
        writeFileSync(join(snapshot(), 'chunks', name), 'x')
      }
      startAtSite('proxy')
      await eventually(async () => {
        const { reasons } = (await ready(site.proxy)).body
        return reasons.some((one: string) => one.includes('the folder: it cannot be unpacked'))
      })
    },
    EACH_MS,
  )
}

if (findNatsServer() === undefined) it.skip(NO_NATS, () => {})
else describe('a site without a network', describeSite)
