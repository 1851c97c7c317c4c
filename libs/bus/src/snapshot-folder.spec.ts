// A member beside a folder: what it takes from it, what it refuses and says, and when it is quiet.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '@signalbox/host'
import { type Snapshot } from '@signalbox/model'
import { eventually, manualClock } from '@signalbox/testing'
import { noDisk } from './disk-copy.ts'
import { follow, FOLDER_LOOK_MS, type Following, type FollowOptions } from './follow.ts'
import { createHub } from './in-process/hub.ts'
import { manifestSigner } from './manifest.ts'
import { noBus } from './no-bus.ts'
import { writeFolder } from './snapshot-folder.harness.ts'
import { openSnapshotFolder } from './snapshot-folder.ts'
import { manyBackends, publishSnapshot, trusts } from './snapshot.harness.ts'
import { TestLog } from './test-log.harness.ts'

let dir: string
let following: Following | undefined
let clock = manualClock()
let served: number[] = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'signalbox-snapshot-'))
  clock = manualClock()
  served = []
})
afterEach(async () => {
  await following?.stop()
  rmSync(dir, { recursive: true, force: true })
})

function start(more: Partial<FollowOptions> = {}): Following {
  following = follow({
    ...{ bus: noBus(clock), disk: noDisk, folder: openSnapshotFolder(dir), trusts, clock },
    ...{ random: () => 0.5, log: silentLog, load: () => null },
    identity: { id: 'p1', role: 'proxy', labels: {}, version: 'dev' },
    onSnapshot: ({ head }) => {
      served.push(head.revision)
      return []
    },
    ...more,
  })
  return following
}

const onDisk = (snapshot: Snapshot) => ({
  ...noDisk,
  load: () => Promise.resolve({ snapshot, problems: [] }),
})
const reasons = () => following?.state().reasons ?? []
const saysOf = (part: string) => reasons().some((reason) => reason.includes(part))
/** The next look, which goes over the real disk: asked for again until it has come about. */
const looksUntil = (check: () => boolean) =>
  eventually(() => {
    clock.advance(FOLDER_LOOK_MS)
    return check()
  })

describe('a member beside a snapshot folder', () => {
  it('starts from it alone, many chunks of it, and says that there is no bus', async () => {
    const log = new TestLog().appendMany(3)
    await writeFolder(dir, manyBackends(log.state, 3_000))
    start()
    await eventually(() => served.length === 1)
    expect(following?.state()).toMatchObject({ configured: true, active: 3, received: 3 })
    expect(reasons()).toEqual(['no-bus'])
  })

  it('takes a newer one when it lies there, without a restart; an older one it leaves', async () => {
    const log = new TestLog().appendMany(4)
    await writeFolder(dir, log.at(2))
    start()
    await eventually(() => served.length === 1)
    await writeFolder(dir, log.at(1))
    clock.advance(FOLDER_LOOK_MS)
    await writeFolder(dir, log.at(4))
    await looksUntil(() => served.length > 1)
    expect(served).toEqual([2, 4])
    expect(saysOf('snapshot-dir')).toBe(false)
  })

  it('prefers the newer one of its disk and the folder', async () => {
    const log = new TestLog().appendMany(5)
    await writeFolder(dir, log.at(5))
    start({ disk: onDisk(log.at(3)) })
    await eventually(() => served.length === 2)
    expect(served).toEqual([3, 5])
    await following?.stop()
    served = []
    await writeFolder(dir, log.at(2))
    start({ disk: onDisk(log.at(3)) })
    await eventually(() => served.length === 1)
    clock.advance(FOLDER_LOOK_MS)
    expect(served).toEqual([3])
  })

  it('goes on from it with what the bus has beside it', async () => {
    const hub = createHub({ clock })
    const publisher = hub.connect()
    const log = new TestLog().appendMany(5)
    await publisher.openStream(log)
    for (const message of log.messages) await publisher.publishRevision(message)
    await writeFolder(dir, log.at(3))
    start({ bus: hub.connect() })
    await looksUntil(() => following?.state().active === 5)
    publisher.publishBeacon(log.head)
    await eventually(() => following?.state().state === 'live')
  })

  it('takes the newer one of the bus and the folder, whichever comes first', async () => {
    const hub = createHub({ clock })
    const log = new TestLog().appendMany(6)
    await publishSnapshot(hub.connect(), log.at(4))
    await writeFolder(dir, log.at(6))
    start({ bus: hub.connect() })
    await looksUntil(() => following?.state().active === 6)
    expect(served.at(-1)).toBe(6)
  })

  it('hears the bus out before it takes an old one: what was revoked is not served', async () => {
    const hub = createHub({ clock })
    const log = new TestLog().appendMany(6)
    await publishSnapshot(hub.connect(), log.at(6))
    await writeFolder(dir, log.at(2))
    const bus = hub.connect()
    const manifest = bus.latestManifest.bind(bus)
    let answer = () => {}
    const asked = new Promise<void>((resolve) => (answer = resolve))
    bus.latestManifest = async () => {
      await asked
      return manifest()
    }
    let looks = 0
    const folder = openSnapshotFolder(dir)
    const counted = {
      ...folder,
      snapshotChunk: (hash: string) => {
        looks++
        return folder.snapshotChunk(hash)
      },
    }
    start({ bus, folder: counted })
    await looksUntil(() => looks > 1)
    expect(served).toEqual([])
    answer()
    await looksUntil(() => served.length > 0)
    expect(served).toEqual([6])
  })

  it('is not ready with an empty one, and says which source has what', async () => {
    start()
    await eventually(() => saysOf('snapshot-dir'))
    expect(following?.state().configured).toBe(false)
    expect(reasons()).toEqual(['no-configuration', 'no-bus', 'snapshot-dir: empty'])
  })

  it.each([
    ['a device without an end', () => symlinkSync('/dev/zero', join(dir, 'manifest.json'))],
    ['a pipe that nobody writes', () => execFileSync('mkfifo', [join(dir, 'manifest.json')])],
  ])('reads nothing of what is no file: %s', async (_, make) => {
    make()
    start()
    await eventually(() => saysOf('is no file'))
    expect(served).toEqual([])
  })

  it('refuses one that another fleet signed, one that is cut off, and what is none', async () => {
    const log = new TestLog().appendMany(1)
    const signed = manifestSigner({ masterKey: Buffer.alloc(32, 8), fleet: 'test' })
    await writeFolder(dir, log.state, { signed })
    start()
    await eventually(() => saysOf('not signed with a key of this fleet'))
    await writeFolder(dir, log.state, { without: true })
    await looksUntil(() => saysOf('the folder does not have it'))
    writeFileSync(join(dir, 'manifest.json'), '{"text":1}')
    await looksUntil(() => saysOf('manifest.json is no manifest'))
    rmSync(join(dir, 'manifest.json'))
    mkdirSync(join(dir, 'manifest.json'))
    await looksUntil(() => saysOf('is no file'))
    expect(served).toEqual([])
    rmSync(join(dir, 'manifest.json'), { recursive: true })
    await writeFolder(dir, log.state)
    await looksUntil(() => served.length === 1)
    expect(reasons()).toEqual(['no-bus'])
  })

  it('leaves what contradicts what it has, and says how', async () => {
    const log = new TestLog().appendMany(5)
    start({ disk: onDisk(log.state) })
    await eventually(() => served.length === 1)
    const other = new TestLog('lineage-2').appendMany(9)
    await writeFolder(dir, other.state)
    await looksUntil(() => saysOf('snapshot-dir: conflict: it is of another log'))
    const lost = log.failOver(2).appendMany(1)
    await writeFolder(dir, lost.state)
    const epochs = 'conflict: epoch 1 at revision 5 here, epoch 2 at revision 3 there'
    await looksUntil(() => saysOf(epochs))
    const fork = log.failOver(4, 1)
    fork.append({ id: 'x' })
    await writeFolder(dir, fork.state)
    await looksUntil(() => saysOf('conflict: another revision 5'))
    await writeFolder(dir, log.at(4))
    await looksUntil(() => !saysOf('snapshot-dir'))
    expect(served).toEqual([5])
  })
})
