import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { type Log, silentLog, systemClock } from '@signalbox/host'
import { eventually, findNatsServer, seededRandom, startNatsServer } from '@signalbox/testing'
import { describeBus } from '../bus.contract.ts'
import { type Bus } from '../bus.ts'
import { noDisk } from '../disk-copy.ts'
import { follow } from '../follow.ts'
import { trusts } from '../snapshot.harness.ts'
import { TestLog } from '../test-log.harness.ts'
import { connectNats } from './connect.ts'
import { revisionHeaders } from './wire.ts'

const FLEET = 'contract'
const STREAM = 'SB_CONTRACT_CONFIG'
const SKIPPED = 'NATS: skipped, nats-server is not on PATH (apt-get install nats-server)'

function dial(url: string, log: Log = silentLog): Promise<Bus> {
  return connectNats({ url, fleet: FLEET, clock: systemClock, random: seededRandom(1), log })
}

async function connected(bus: Bus): Promise<Bus> {
  await eventually(() => bus.connected())
  return bus
}

if (findNatsServer() === undefined) {
  it.skip(SKIPPED, () => {})
} else {
  describeBus('NATS', async () => {
    const server = await startNatsServer()
    return {
      connect: async () => connected(await dial(server.url)),
      outage: async ({ wipe }) => {
        await server.kill()
        return () => server.restart({ wipe })
      },
      keepLast: async (count) => {
        const nc = await connect({ servers: server.url.replace('nats://', '') })
        const jsm = await jetstreamManager(nc)
        await jsm.streams.update(STREAM, { max_msgs: count }).catch(() => {})
        await nc.close()
      },
      stop: () => server.stop(),
    }
  })

  describe('connectNats', () => {
    const started: { stop(): Promise<void> }[] = []
    const server = async (args: readonly string[] = []) => {
      const one = await startNatsServer({ args })
      started.unshift(one)
      return one
    }
    const client = async (url: string, log?: Log) => {
      const bus = await dial(url, log)
      started.unshift({ stop: () => bus.close() })
      return bus
    }
    const raw = async (url: string) => {
      const nc = await connect({ servers: url.replace('nats://', '') })
      started.unshift({ stop: () => nc.close() })
      return nc
    }

    afterEach(async () => {
      for (const one of started.splice(0)) await one.stop()
    })

    it('starts while the broker is down, and connects when it is there', async () => {
      const broker = await server()
      await broker.kill()
      const bus = await client(broker.url)
      expect(bus.connected()).toBe(false)
      const heard: unknown[] = []
      bus.onBeacon((head) => heard.push(head))
      await broker.restart()
      await connected(bus)
      const { head } = new TestLog()
      await eventually(() => {
        bus.publishBeacon(head)
        return heard.length > 0
      })
    })

    it('can be closed while the broker is down', async () => {
      const broker = await server()
      await broker.stop()
      const bus = await client(broker.url)
      await bus.close()
      expect(bus.connected()).toBe(false)
    })

    it('drops malformed messages of every kind, and says so once', async () => {
      const broker = await server()
      const warnings: unknown[] = []
      const log = { ...silentLog, warn: (fields: object) => warnings.push(fields) }
      const bus = await connected(await client(broker.url, log))
      const heard: unknown[] = []
      bus.onRevision((one) => heard.push(one))
      bus.onBeacon((one) => heard.push(one))
      bus.onHeartbeat((one) => heard.push(one))
      bus.onStatus((one) => heard.push(one))
      bus.onLeases((one) => heard.push(one))
      await bus.openStream(new TestLog())
      const nc = await raw(broker.url)
      const bad = ['', '{', '[]', 'null', '{"id":1}', '{"observer":"o","statuses":[{}]}']
      const subjects = ['config.live.1', 'config.head', 'proxy.x.ack', 'status.x', 'leases']
      for (const subject of subjects)
        for (const text of bad) nc.publish(`sb.${FLEET}.${subject}`, text)
      const message = new TestLog().append()
      const headers = revisionHeaders({ ...message, hash: 'x' })
      nc.publish(`sb.${FLEET}.config.live.1`, message.body, { headers })
      const { head } = new TestLog()
      nc.publish(`sb.${FLEET}.config.head`, JSON.stringify(head))
      await eventually(() => heard.length > 0)
      expect(heard).toEqual([head])
      expect(warnings).toEqual([{ subject: `sb.${FLEET}.config.live.1`, malformed: 1 }])
    })

    it('makes the stream anew where it ends with what is no revision', async () => {
      const broker = await server()
      const bus = await connected(await client(broker.url))
      const log = new TestLog().appendMany(2)
      await bus.openStream(log)
      await bus.publishRevision(log.message(1))
      const nc = await raw(broker.url)
      await nc.request(`sb.${FLEET}.config.revision.2`, 'rubbish')
      expect(await bus.revisions({ from: 2, to: 2 })).toEqual({ kind: 'gone' })
      expect(await bus.publishRevision(log.message(2))).toEqual({ kind: 'conflict' })
      expect((await bus.openStream(log)).revision).toBe(0)
    })

    it('carries a follower through a restart of the broker and the loss of its data', async () => {
      const broker = await server()
      const publisher = await connected(await client(broker.url))
      const following = follow({
        bus: await client(broker.url),
        disk: noDisk,
        trusts,
        clock: systemClock,
        random: seededRandom(1),
        log: silentLog,
        identity: { id: 'p', role: 'proxy', labels: {}, version: 'dev' },
        onSnapshot: () => [],
        load: () => null,
      })
      started.unshift({ stop: () => following.stop() })
      const log = new TestLog()
      const publishUntil = async (revision: number) => {
        log.appendMany(revision - log.head.revision)
        await eventually(() => publisher.connected())
        let end = (await publisher.openStream(log)).revision
        while (end < revision) {
          expect(await publisher.publishRevision(log.message(++end))).toEqual({ kind: 'stored' })
        }
        await eventually(() => {
          publisher.publishBeacon(log.head)
          const { state, received } = following.state()
          return state === 'live' && received === revision
        })
      }
      await publishUntil(3)
      await broker.kill()
      await eventually(() => !publisher.connected() && following.state().reasons.length > 0)
      expect(following.state().active).toBe(3)
      await broker.restart()
      await publishUntil(5)
      await broker.restart({ wipe: true })
      await publishUntil(7)
    })

    it('authenticates with the credentials of the URL', async () => {
      const broker = await server(['--auth', 's3cret'])
      const bus = await connected(await client(broker.url.replace('nats://', 'nats://s3cret@')))
      expect(bus.connected()).toBe(true)
    })
  })
}
