import { randomBytes } from 'node:crypto'
import { type Bus } from './bus.ts'
import { signManifest } from './manifest.ts'
import { chunked, manyBackends, publishSnapshot, sign, snapshotOn } from './snapshot.harness.ts'
import { TestLog } from './test-log.harness.ts'

/** The part of the contract of Bus that carries snapshots. */
export function describeSnapshots(
  clients: () => { readonly publisher: Bus; readonly follower: Bus },
): void {
  describe('snapshots', () => {
    it('are none, then the one that was put in the place of the one before', async () => {
      const { publisher, follower } = clients()
      expect(await follower.latestManifest()).toBeNull()
      expect(await snapshotOn(follower)).toBeNull()
      const log = new TestLog().appendMany(3)
      await publisher.openStream(log)
      for (const revision of [2, 3]) {
        expect(await publishSnapshot(publisher, log.at(revision))).toEqual({ kind: 'stored' })
        expect(await snapshotOn(follower)).toEqual(log.at(revision))
      }
    })

    it('are not replaced by who made theirs from another one', async () => {
      const { publisher, follower } = clients()
      const log = new TestLog().appendMany(2)
      const [one, other] = [await chunked(log.at(1)), await chunked(log.at(2))]
      const [first, second] = [signManifest(one.manifest, sign), signManifest(other.manifest, sign)]
      expect(await publisher.publishManifest(first, second)).toEqual({ kind: 'conflict' })
      expect(await publisher.publishManifest(first, null)).toEqual({ kind: 'stored' })
      expect(await follower.publishManifest(second, null)).toEqual({ kind: 'conflict' })
      expect(await follower.latestManifest()).toEqual(first)
      const racing = [publisher, follower].map((bus) => bus.publishManifest(second, first))
      const kinds = (await Promise.all(racing)).map(({ kind }) => kind)
      expect(kinds.sort()).toEqual(['conflict', 'stored'])
    })

    it('are read whole from many chunks, larger together than a message may be', async () => {
      const { publisher, follower } = clients()
      const state = manyBackends(new TestLog().appendMany(1).state, 3_000)
      await publishSnapshot(publisher, state)
      expect(await snapshotOn(follower)).toEqual(state)
    })

    it('leave chunks where they are, and lose those that two manifests do not name', async () => {
      const { publisher, follower } = clients()
      const log = new TestLog().appendMany(3)
      const [a, b, c] = await Promise.all([1, 2, 3].map((revision) => chunked(log.at(revision))))
      const hashOf = (one: typeof a) => one?.chunks[0]?.hash ?? ''
      const there = async () =>
        Promise.all(
          [a, b, c].map(async (one) => (await follower.snapshotChunk(hashOf(one))) !== null),
        )
      await publishSnapshot(publisher, log.at(1))
      await publishSnapshot(publisher, log.at(2))
      expect(await there()).toEqual([true, true, false])
      // For a manifest that somebody else is making.
      const data = randomBytes(64)
      await follower.publishChunk({ hash: 'f'.repeat(64), data })
      await publishSnapshot(publisher, log.at(3))
      expect(await there()).toEqual([false, true, true])
      const kept = await follower.snapshotChunk('f'.repeat(64))
      expect(kept && Buffer.from(kept).equals(data)).toBe(true)
      expect(await snapshotOn(follower)).toEqual(log.at(3))
    })

    it('are none where a chunk is not what its hash says', async () => {
      const { publisher, follower } = clients()
      const log = new TestLog().appendMany(1)
      const { manifest, chunks } = await chunked(log.state)
      await publishSnapshot(publisher, log.state)
      for (const { hash } of chunks) await publisher.publishChunk({ hash, data: randomBytes(99) })
      expect(manifest.chunks.length).toBeGreaterThan(0)
      expect(await snapshotOn(follower)).toBeNull()
    })
  })
}
