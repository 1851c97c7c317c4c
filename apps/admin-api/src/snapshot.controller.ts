import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common'
import { openManifest } from '@signalbox/bus'
import { type FastifyReply } from 'fastify'
import { refused } from './refused.ts'
import { type AdminRequest, readQuery, wrongParameter } from './request.ts'
import { Snapshots } from './snapshots.ts'

/** Whoever was faster, or had begun already, may have looked a moment earlier. */
const TRIES = 3
const HASH = /^[0-9a-f]{64}$/

/** The snapshot that a member starts from, to be carried where no bus reaches. */
@Controller('admin/v1/snapshot')
export class SnapshotController {
  readonly snapshots: Snapshots

  constructor(@Inject(Snapshots) snapshots: Snapshots) {
    this.snapshots = snapshots
  }

  /** Of what is committed by now: it is made first, where there is an older one. */
  @Get()
  async manifest(@Req() request: AdminRequest) {
    readQuery(request, [])
    const { bus, store, trusts } = this.snapshots.deps
    const { revision: wanted } = await store.head()
    for (let tries = 0; tries < TRIES; tries++) {
      if ((await this.snapshots.publish()) >= wanted) break
    }
    const signed = await bus.latestManifest()
    const manifest = signed && openManifest(signed, trusts)
    if (!manifest?.ok) throw refused('not_found', 'there is no snapshot: nothing was ever written')
    const { lineage, epoch, revision, hash } = manifest.value.head
    return { lineage, epoch, revision, hash, manifest: signed }
  }

  @Get('chunks/:hash')
  async chunk(
    @Req() request: AdminRequest,
    @Param('hash') hash: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    readQuery(request, [])
    if (!HASH.test(hash)) throw wrongParameter('hash', 'expected 64 characters of hex')
    const data = await this.snapshots.deps.bus.snapshotChunk(hash)
    if (!data) throw refused('not_found', 'there is no such chunk: read the manifest again')
    void reply.header('content-type', 'application/gzip').send(Buffer.from(data))
  }
}
