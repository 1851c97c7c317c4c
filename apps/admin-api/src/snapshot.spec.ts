import { openManifest, openSnapshotFolder, takeSnapshot } from '@signalbox/bus'
import { silentLog } from '@signalbox/host'
import { decodeManifest } from '@signalbox/model'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Api, MASTER_KEY, startApi, TOKENS } from './api-harness.ts'
import { snapshotKeys } from './snapshots.ts'

let at: Api
beforeAll(async () => {
  at = await startApi()
})
afterAll(() => at.end())

const { trusts } = snapshotKeys({ masterKey: MASTER_KEY, fleet: 'default' })

/** The bytes of a chunk, which call() would read as text. */
async function chunk(hash: string): Promise<Buffer> {
  const headers = { authorization: `Bearer ${TOKENS.admin}` }
  const answer = await fetch(`${at.base}/admin/v1/snapshot/chunks/${hash}`, { headers })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/gzip'])
  return Buffer.from(await answer.arrayBuffer())
}

describe('GET /snapshot', () => {
  it('is not there while nothing was written', async () => {
    const { status, json } = await at.call('GET', 'snapshot')
    expect([status, json.code]).toEqual([404, 'not_found'])
  })

  it('is of what is committed by now, and the whole of it can be taken', async () => {
    await at.add('b1', { apiKey: 'canary-0123456789' })
    await at.add('b2')
    const { status, json } = await at.call('GET', 'snapshot')
    expect([status, json.revision]).toEqual([200, 2])
    expect(openManifest(json.manifest, trusts).ok).toBe(true)
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-snapshot-'))
    try {
      mkdirSync(join(dir, 'chunks'))
      writeFileSync(join(dir, 'manifest.json'), JSON.stringify(json.manifest))
      const manifest = decodeManifest(json.manifest.text)
      for (const { hash } of manifest.ok ? manifest.value.chunks : []) {
        writeFileSync(join(dir, 'chunks', `${hash}.gz`), await chunk(hash))
      }
      const taken = await takeSnapshot({ bus: openSnapshotFolder(dir), trusts, log: silentLog })
      expect(taken?.head).toMatchObject({ revision: 2, hash: json.hash })
      expect([...(taken?.backends.keys() ?? [])]).toEqual(['b1', 'b2'])
      expect(JSON.stringify([...(taken?.backends.values() ?? [])])).not.toContain('canary')
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
    await at.add('b3')
    expect((await at.call('GET', 'snapshot')).json.revision).toBe(3)
  })

  it('is for admins: credentials lie in it, sealed', async () => {
    const hash = '0'.repeat(64)
    for (const path of ['snapshot', `snapshot/chunks/${hash}`]) {
      for (const token of [TOKENS.operator, TOKENS.viewer]) {
        expect((await at.call('GET', path, { token })).status).toBe(403)
      }
    }
  })

  it('refuses a chunk that is not there, and a name that is no hash', async () => {
    const none = await at.call('GET', `snapshot/chunks/${'0'.repeat(64)}`)
    expect([none.status, none.json.code]).toEqual([404, 'not_found'])
    for (const hash of ['x', '..%2F..%2Fetc', 'F'.repeat(64)]) {
      expect((await at.call('GET', `snapshot/chunks/${hash}`)).json.code).toBe('unknown_parameter')
    }
    expect((await at.call('GET', 'snapshot?x=1')).json.code).toBe('unknown_parameter')
  })

  it('says that the bus is away, and is there again with it', async () => {
    at.bus.setConnected(false)
    const { status, json, headers } = await at.call('GET', 'snapshot')
    expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'bus_unavailable', '1'])
    at.bus.setConnected(true)
    expect((await at.call('GET', 'snapshot')).status).toBe(200)
  })
})
