import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type Log, silentLog, systemClock } from '@signalbox/host'
import { type Heartbeat, type StatusTable } from '@signalbox/model'
import {
  eventually,
  findNatsServer,
  type NatsServer,
  seededRandom,
  startNatsServer,
} from '@signalbox/testing'
import { LEASES, STATUSES } from '../bus-messages.harness.ts'
import { type Bus } from '../bus.ts'
import { noDisk } from '../disk-copy.ts'
import { follow } from '../follow.ts'
import { chunked, manyBackends, publishSnapshot, snapshotOn, trusts } from '../snapshot.harness.ts'
import { TestLog } from '../test-log.harness.ts'
import { connectNats } from './connect.ts'
import { directGet } from './direct-get.ts'
import { type BusRole, permissionsOf, renderNatsAccounts } from './permissions.ts'
import { subjectsOf } from './subjects.ts'

const FOLDER = join(import.meta.dirname, '../../../../deploy/nats')
const ROLES: readonly BusRole[] = ['admin-api', 'proxy', 'health-probe']
const MEMBERS = ['proxy', 'health-probe'] as const
const FLEETS = ['default', 'other-1']
const PASSWORD = 'k3epIt'
const SKIPPED = 'permissions: skipped, nats-server is not on PATH (apt-get install nats-server)'

it('each role may do what its app asks the bus for', () => {
  const subjects = subjectsOf('f')
  const needs: Readonly<Record<string, readonly ['publish' | 'subscribe', string]>> = {
    onRevision: ['subscribe', subjects.live],
    onBeacon: ['subscribe', subjects.beacon],
    onHeartbeat: ['subscribe', subjects.heartbeats],
    onStatus: ['subscribe', subjects.statuses],
    onLeases: ['subscribe', subjects.leases],
    onSpending: ['subscribe', subjects.spending],
    onAsked: ['subscribe', subjects.ask],
    onUsage: ['subscribe', subjects.usage],
    publishRevision: ['publish', subjects.revisions],
    publishBeacon: ['publish', subjects.beacon],
    sendHeartbeat: ['publish', subjects.heartbeats],
    sendStatus: ['publish', subjects.statuses],
    sendLeases: ['publish', subjects.leases],
    sendSpending: ['publish', subjects.spending],
    askAround: ['publish', subjects.ask],
    deliverUsage: ['publish', subjects.usage],
  }
  const problems = ROLES.flatMap((role) => {
    const folder = join(FOLDER, `../../apps/${role}/src`)
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !/\.spec\.ts$|harness/.test(name),
    )
    const text = sources.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
    const calls = [...text.matchAll(/\bbus\.([a-zA-Z]+)\(/g)].map(([, call = '']) => call)
    expect(calls.length).toBeGreaterThan(2)
    return calls.flatMap((call) => {
      const [how, subject] = needs[call] ?? []
      if (how === undefined || subject === undefined) return []
      return permissionsOf('f', role)[how].includes(subject) ? [] : [`${role}: ${call}`]
    })
  })
  expect(problems).toEqual([])
})

if (findNatsServer() === undefined) {
  it.skip(SKIPPED, () => {})
} else {
  describe('the shipped nats.conf', () => {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-nats-conf-'))
    const subjects = subjectsOf('default')
    let server: NatsServer
    let opened: { close(): Promise<void> }[] = []
    let complaints: string[] = []
    let lineages = 0

    beforeAll(async () => {
      for (const fleet of FLEETS) {
        writeFileSync(join(folder, `fleet-${fleet}.conf`), renderNatsAccounts(fleet))
      }
      mkdirSync(join(folder, 'passwords'))
      for (const user of FLEETS.flatMap((fleet) => ROLES.map((role) => `${fleet}-${role}`))) {
        writeFileSync(join(folder, `passwords/${user}.conf`), `password: "${PASSWORD}"\n`)
      }
      const both = readFileSync(join(FOLDER, 'nats.conf'), 'utf8')
        .replace('include "fleet-default.conf"', '$&\n  include "fleet-other-1.conf"')
        .replace('/var/lib/nats/signalbox', join(folder, 'data'))
        .replace(/^http:.*$/m, '')
      writeFileSync(join(folder, 'nats.conf'), both)
      server = await startNatsServer({ configFile: join(folder, 'nats.conf') })
    })

    afterEach(async () => {
      for (const one of opened) await one.close()
      opened = []
      complaints = []
    })

    afterAll(async () => {
      await server.stop()
      rmSync(folder, { recursive: true })
    })

    const log: Log = {
      ...silentLog,
      warn: (fields: object, what: string) => complaints.push(`${what} ${inspect(fields)}`),
      error: (fields: object, what: string) => complaints.push(`${what} ${inspect(fields)}`),
    }

    const bus = async (role: BusRole, fleet = 'default'): Promise<Bus> => {
      const url = server.url.replace('nats://', `nats://${fleet}-${role}:${PASSWORD}@`)
      const random = seededRandom(1)
      const one = await connectNats({ url, fleet, clock: systemClock, random, log })
      opened.unshift(one)
      await eventually(() => one.connected())
      return one
    }

    const raw = async (role: BusRole, fleet = 'default') => {
      const servers = server.url.replace('nats://', '')
      const nc = await connect({ servers, user: `${fleet}-${role}`, pass: PASSWORD })
      opened.unshift({ close: () => nc.close() })
      return nc
    }

    /** A log of three revisions that an admin-api has published, with its snapshot. */
    const published = async () => {
      const admin = await bus('admin-api')
      const entries = new TestLog(`lineage-${(lineages += 1)}`).appendMany(3)
      await admin.openStream(entries)
      for (const message of entries.messages) await admin.publishRevision(message)
      await publishSnapshot(admin, entries.state)
      return { admin, entries }
    }

    const followAs = async (role: 'proxy' | 'health-probe') => {
      const member = await bus(role)
      const following = follow({
        bus: member,
        disk: noDisk,
        trusts,
        clock: systemClock,
        random: seededRandom(1),
        log,
        identity: { id: role, role: role === 'proxy' ? 'proxy' : 'probe', labels: {}, version: '' },
        onSnapshot: () => [],
        load: () => null,
      })
      opened.unshift({ close: () => following.stop() })
      return { member, following }
    }

    /** Publishes, and waits until the broker has refused just that. */
    const isRefused = async (nc: NatsConnection, subject: string) => {
      const refusal = new Promise<string>((resolve) => {
        void (async () => {
          for await (const status of nc.status()) {
            if (status.type === 'error') return resolve(String(status.error))
          }
        })()
      })
      nc.publish(subject, '')
      expect(await refusal).toContain(`Publish to "${subject}"`)
    }

    describe('lets', () => {
      it('admin-api make, fill, snapshot and replace the stream', async () => {
        const { admin, entries } = await published()
        expect(await admin.openStream(entries)).toEqual(entries.head)
        entries.appendMany(1)
        const heard: number[] = []
        admin.onRevision(({ revision }) => heard.push(revision))
        expect(await admin.publishRevision(entries.message(4))).toEqual({ kind: 'stored' })
        await eventually(() => heard.length > 0)
        await publishSnapshot(admin, entries.state)
        const next = entries.failOver(2)
        expect((await admin.openStream(next)).revision).toBe(0)
        expect(complaints).toEqual([])
      })

      it.each(MEMBERS)('%s follow: from a snapshot, by gets, live; and be heard', async (role) => {
        const { admin, entries } = await published()
        const beats: Heartbeat[] = []
        admin.onHeartbeat((beat) => beats.push(beat))
        const { member, following } = await followAs(role)
        const at = (revision: number) =>
          eventually(() => {
            admin.publishBeacon(entries.head)
            const { state, active } = following.state()
            return state === 'live' && active === revision
          })
        await at(3)
        expect((await snapshotOn(member))?.head).toEqual(entries.head)
        expect(await member.revisions({ from: 2, to: 9 })).toEqual({
          kind: 'found',
          messages: entries.messages.slice(1),
        })
        entries.appendMany(1)
        await admin.publishRevision(entries.message(4))
        await at(4)
        await eventually(() => beats.some(({ id, active }) => id === role && active === 4))
        beats.length = 0
        await eventually(() => {
          admin.askAround()
          return beats.length > 0
        })
        expect(complaints).toEqual([])
      })

      it('a follower take a snapshot of many chunks, whole', async () => {
        const { admin, entries } = await published()
        entries.appendMany(1)
        const state = manyBackends(entries.state, 2_500)
        expect(await publishSnapshot(admin, state)).toEqual({ kind: 'stored' })
        const { manifest } = await chunked(state)
        expect(manifest.chunks.length).toBeGreaterThan(2)
        expect(await snapshotOn(await bus('proxy'))).toEqual(state)
        expect(complaints).toEqual([])
      })

      it('admin-api sweep away what no snapshot names any more', async () => {
        const { admin, entries } = await published()
        const { chunks } = await chunked(entries.state)
        for (const revision of [4, 5]) {
          entries.appendMany(1)
          expect(await publishSnapshot(admin, entries.at(revision))).toEqual({ kind: 'stored' })
        }
        expect(await admin.snapshotChunk(chunks[0]?.hash ?? '')).toBeNull()
        expect(complaints).toEqual([])
      })

      it('health-probe tell all what it sees, another probe as well, and hear a proxy ask', async () => {
        const [admin, proxy, probe] = await Promise.all(ROLES.map((role) => bus(role)))
        const other = await bus('health-probe')
        const tables: StatusTable[] = []
        const heard = new Set<number>()
        let asked = 0
        for (const [n, one] of [admin, proxy, other].entries()) {
          one?.onStatus((table) => {
            tables.push(table)
            heard.add(n)
          })
        }
        probe?.onAsked(() => (asked += 1))
        await eventually(() => {
          probe?.sendStatus(STATUSES)
          proxy?.askAround()
          return asked > 0 && heard.size === 3
        })
        expect(tables[0]).toEqual(STATUSES)
        expect(complaints).toEqual([])
      })
    })

    it('proxies tell each other of their leases', async () => {
      const [one, other] = [await bus('proxy'), await bus('proxy')]
      const heard: unknown[] = []
      other.onLeases((report) => heard.push(report))
      await eventually(() => {
        one.sendLeases(LEASES)
        return heard.length > 0
      })
      expect(heard[0]).toEqual(LEASES)
      expect(complaints).toEqual([])
    })

    describe('usage', () => {
      const batch = { proxy: 'p', id: 'b-1', text: '{}' }

      it('is delivered by a proxy to one of two admin-api, which answers when it has it', async () => {
        const stored: string[] = []
        for (const admin of [await bus('admin-api'), await bus('admin-api')]) {
          admin.onUsage(({ id }) => Promise.resolve(void stored.push(id)))
        }
        const proxy = await bus('proxy')
        await eventually(async () => {
          await proxy.deliverUsage(batch)
          return true
        })
        expect(stored).toEqual([batch.id])
        expect(complaints).toEqual([])
      })

      it('is nothing that a probe, or the proxy of another fleet, can say', async () => {
        await isRefused(await raw('health-probe'), subjects.usage)
        await isRefused(await raw('proxy', 'other-1'), subjects.usage)
      })
    })

    describe('refuses', () => {
      const stream = subjects.stream
      const bucket = `OBJ_${subjects.snapshotBucket}`
      const refusedSubjects = [
        subjects.revision(4),
        subjects.revision(1).replace('revision', 'live'),
        subjects.beacon,
        `$O.${subjects.snapshotBucket}.C.x`,
        ...[stream, bucket].flatMap((name) =>
          ['INFO', 'CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE'].map(
            (call) => `$JS.API.STREAM.${call}.${name}`,
          ),
        ),
        `$JS.API.CONSUMER.CREATE.${stream}`,
        `$JS.API.CONSUMER.CREATE.${bucket}.x`,
        `$JS.API.CONSUMER.DURABLE.CREATE.${bucket}.x`,
      ]

      it.each(MEMBERS)('%s publishing configuration or touching a store', async (role) => {
        const { admin, entries } = await published()
        const nc = await raw(role)
        for (const subject of refusedSubjects) {
          await isRefused(nc, subject)
        }
        expect(await admin.openStream(entries)).toEqual(entries.head)
      })

      it('a proxy saying what only probes say, and admin-api what only members say', async () => {
        await isRefused(await raw('proxy'), subjects.status('x'))
        const admin = await raw('admin-api')
        for (const subject of [subjects.status('x'), subjects.heartbeat('x')]) {
          await isRefused(admin, subject)
        }
      })

      it('a reply subject that would delete or write: no answer gets out of the account', async () => {
        const { admin, entries } = await published()
        const proxy = await raw('proxy')
        const asks: [string, object][] = [
          [`$JS.API.DIRECT.GET.${stream}`, { seq: 99 }],
          [`$JS.API.DIRECT.GET.${stream}`, { seq: 1 }],
          [`$JS.API.DIRECT.GET.${bucket}`, { seq: 99 }],
        ]
        const replies = [
          `$JS.API.STREAM.DELETE.${stream}`,
          `$JS.API.STREAM.DELETE.${bucket}`,
          `$JS.API.STREAM.PURGE.${bucket}`,
          subjects.revision(4),
        ]
        for (const reply of replies) {
          for (const [subject, query] of asks) {
            proxy.publish(subject, JSON.stringify(query), { reply })
          }
        }
        await proxy.flush()
        // The same calls, answered: what was asked before them has been done.
        for (const store of [stream, bucket]) await directGet(proxy, { stream: store, seq: 1 })
        expect(await admin.openStream(entries)).toEqual(entries.head)
        expect((await snapshotOn(await bus('proxy')))?.head).toEqual(entries.head)
      })

      it('a proxy reading or steering another fleet', async () => {
        await published()
        const stranger = await raw('proxy', 'other-1')
        const heard: string[] = []
        for (const subject of [subjects.live, subjects.beacon, subjects.statuses, '>']) {
          const refused = new Promise<unknown>((resolve) => {
            stranger.subscribe(subject, {
              callback: (error, message) => resolve(error ?? message.subject),
            })
          })
          expect(String(await refused)).toContain(`Subscription to "${subject}"`)
        }
        stranger.subscribe('_INBOX.>', { callback: (_, { subject }) => void heard.push(subject) })
        expect((await snapshotOn(await bus('proxy')))?.head.revision).toBe(3)
        await stranger.flush()
        expect(heard).toEqual([])
        const own = subjects.heartbeat('x')
        for (const subject of [own, subjects.ask, `$JS.API.DIRECT.GET.${stream}`]) {
          await isRefused(stranger, subject)
        }
      })

      it('a wrong password, and nobody at all', async () => {
        const servers = server.url.replace('nats://', '')
        const tries = [{}, { user: 'default-proxy', pass: 'guess' }]
        for (const credentials of tries) {
          await expect(connect({ servers, ...credentials })).rejects.toThrow(/uthorization/)
        }
      })
    })
  })
}
