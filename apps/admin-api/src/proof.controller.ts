import { Readable } from 'node:stream'
import { Controller, Get, Inject, Req, Res } from '@nestjs/common'
import { sha256, verifyBytes } from '@signalbox/host'
import {
  ChainCheck,
  type ChainProblem,
  type Checkpoint,
  openKept,
  type RevisionMessage,
} from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { Checkpoints } from './checkpoints.ts'
import { presentPart, readPage, readPart } from './paging.ts'
import { type AdminRequest, readQuery } from './request.ts'
import { AdminService } from './service.ts'

const EXPORT_BATCH = 256
const CHECKPOINTS_MAX = 10_000
const DENIALS = { most: 1_000, otherwise: 100 }

/** Proof of the log: verified here, exported to be verified elsewhere, and signed. */
@Controller('admin/v1/audit')
export class ProofController {
  readonly service: AdminService
  readonly checkpoints: Checkpoints

  constructor(
    @Inject(AdminService) service: AdminService,
    @Inject(Checkpoints) checkpoints: Checkpoints,
  ) {
    this.service = service
    this.checkpoints = checkpoints
  }

  @Get('verify')
  async verify(@Req() request: AdminRequest) {
    readQuery(request, [])
    const { store } = this.service.deps
    const { checkpoints, problems } = await this.#openKept()
    const chain = new ChainCheck(sha256, checkpoints)
    const derived = await store.readWhole((message) => chain.next(message))
    const report = chain.end()
    const all = [...report.problems, ...derived, ...problems]
    return { ...report, ok: all.length === 0, problems: all, checkpoints: checkpoints.length }
  }

  @Get('checkpoint')
  async checkpoint(@Req() request: AdminRequest) {
    readQuery(request, [])
    const head = await this.service.deps.store.head()
    const { lineage, revision, epoch, hash } = head
    const key = this.checkpoints.verifierKey(lineage)
    return { note: this.checkpoints.sign(head), key, revision, epoch, hash }
  }

  /** A line for the log, one for each revision as its exact bytes, one for each checkpoint. */
  @Get('export')
  async export(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    readQuery(request, [])
    const { store, config } = this.service.deps
    const head = await store.head()
    const { lineage } = head
    const key = this.checkpoints.verifierKey(lineage)
    const first = { kind: 'log', v: 1, fleet: config.fleet, lineage, key }
    const kept = await store.checkpoints(CHECKPOINTS_MAX)
    const notes = [...kept.map(({ note }) => note).reverse(), this.checkpoints.sign(head)]
    async function* lines(): AsyncGenerator<string> {
      yield line(first)
      for (let after = 0; after < head.revision;) {
        const limit = Math.min(EXPORT_BATCH, head.revision - after)
        const messages: readonly RevisionMessage[] = await store.messagesAfter(after, limit)
        const last = messages.at(-1)
        if (!last) break
        for (const message of messages) yield line({ kind: 'revision', ...message })
        after = last.revision
      }
      for (const note of notes) yield line({ kind: 'checkpoint', note })
    }
    void reply
      .header('content-type', 'application/x-ndjson')
      .header('x-signalbox-revision', String(head.revision))
      .send(Readable.from(lines()))
  }

  @Get('denials')
  async denials(@Req() request: AdminRequest) {
    const { before, limit } = readPage(readQuery(request, ['limit', 'cursor']), DENIALS)
    const found = await this.service.deps.store.denials({ before, limit: limit + 1 })
    const items = found.slice(0, limit)
    const nextCursor = found.length > limit ? String(items.at(-1)?.id) : null
    return { items, nextCursor }
  }

  @Get('last-uses')
  async lastUses(@Req() request: AdminRequest) {
    const { after, limit } = readPart(readQuery(request, ['limit', 'cursor']))
    const uses = await this.service.deps.store.lastUses({ after, limit: limit + 1 })
    const found = [...uses].map(([principal, at]) => ({ principal, at: at.toISOString() }))
    return presentPart(found, limit, ({ principal }) => principal)
  }

  async #openKept(): Promise<{ checkpoints: Checkpoint[]; problems: ChainProblem[] }> {
    const kept = await this.service.deps.store.checkpoints(CHECKPOINTS_MAX)
    const notes = kept.map(({ note }) => note)
    const opened = openKept(notes, this.checkpoints.publicKeys, { sha256, verify: verifyBytes })
    const revisionAt = (index: number) => kept[index]?.revision ?? 0
    const checkpoints: Checkpoint[] = []
    const problems: ChainProblem[] = opened.problems.map(({ index, message }) => {
      return { revision: revisionAt(index), message: `its checkpoint: ${message}` }
    })
    for (const { index, checkpoint } of opened.checkpoints) {
      const revision = revisionAt(index)
      if (checkpoint.revision === revision) checkpoints.push(checkpoint)
      else problems.push({ revision, message: 'its checkpoint is of another revision' })
    }
    return { checkpoints, problems }
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}
