import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type ChainProblem } from '@signalbox/model'
import { type Context } from './context.ts'
import { EXIT, type ExitCode, Failure, failed, usage } from './failure.ts'
import { type Io, writeTo } from './io.ts'
import { plain } from './paint.ts'
import { table } from './table.ts'
import { type VerifyOptions, verifyFile } from './verify.ts'

const DENIALS_SHOWN = 100
/** An export holds sealed credentials. */
const SECRET_MODE = 0o600

export interface FileProblem {
  readonly line: number | null
  readonly message: string
}

export interface Report {
  readonly ok: boolean
  readonly revision: number
  readonly hash: string
  readonly checkpoints: number
  readonly problems: readonly (ChainProblem | FileProblem)[]
}

/** The hash chain, by the server; or, of an export, here and without one. */
export async function verify(
  context: Context,
  options: VerifyOptions & { readonly file?: string },
): Promise<ExitCode> {
  const { file, key, checkpoint: kept } = options
  if (file === undefined && (key ?? kept) !== undefined) {
    throw usage('--key and --checkpoint are for an export', 'Name it: --file.')
  }
  const report =
    file === undefined
      ? await (await context.client()).get<Report>('audit/verify')
      : await verifyFile(context, file, options)
  if (context.json) await context.printJson(report)
  else await context.print(render(context, report, file ?? 'the log'))
  return report.ok ? EXIT.ok : EXIT.failed
}

function render({ paint }: Context, report: Report, what: string): string {
  const { ok, revision, hash, checkpoints, problems } = report
  const counted = checkpoints === 1 ? '1 checkpoint' : `${checkpoints} checkpoints`
  if (ok) {
    const good = `${what} is whole: ${revision} revisions, ${counted}, hash ${hash}`
    return paint('green', plain(good))
  }
  const head = paint('red', plain(`${what} is not what it should be`))
  const lines = problems.map((problem) => plain(`  ${whereOf(problem)}${problem.message}`))
  return [head, ...lines].join('\n')
}

function whereOf(problem: ChainProblem | FileProblem): string {
  if ('revision' in problem) return `revision ${problem.revision}: `
  return problem.line === null ? '' : `line ${problem.line}: `
}

/** The export as it comes; a file appears once it is whole. */
export async function exportAudit(
  { io, client }: Context,
  { output }: { readonly output?: string },
): Promise<void> {
  const { body } = await (await client()).stream('audit/export')
  if (!body) throw failed('the server sent no export')
  const parts = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
  const path = output === undefined ? undefined : resolve(io.cwd, output)
  try {
    if (path === undefined) for await (const part of parts) await writeTo(io.stdout, part as Buffer)
    else await writeWhole(parts, path, io)
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (io.signal.aborted) throw error
    if (syscall !== undefined) throw failed(`the export is not written to ${output} (${code})`)
    const detail = 'the export broke off; what came of it is not whole'
    throw new Failure({ exitCode: EXIT.unreachable, code: 'unreachable', detail })
  }
}

async function writeWhole(parts: Readable, path: string, { signal }: Io): Promise<void> {
  const partial = `${path}.partial`
  try {
    await pipeline(parts, createWriteStream(partial, { mode: SECRET_MODE }), { signal })
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

interface SignedHead {
  readonly note: string
  readonly key: string
  readonly revision: number
}

/** The signed word of where the log ends: to be kept somewhere else. */
export async function checkpoint(context: Context): Promise<void> {
  const signed = await (await context.client()).get<SignedHead>('audit/checkpoint')
  if (context.json) return context.printJson(signed)
  await context.print(signed.note)
  await context.note(`key: ${signed.key}`)
}

interface Denial {
  readonly at: string
  readonly actor: string | null
  readonly role: string | null
  readonly method: string
  readonly path: string
  readonly status: number
  readonly code: string
  readonly address: string | null
}

/** The newest calls that were refused. */
export async function denials(context: Context): Promise<void> {
  const query = { limit: DENIALS_SHOWN }
  const client = await context.client()
  const page = await client.get<{ items: readonly Denial[] }>('audit/denials', query)
  if (context.json) return context.printJson({ items: page.items })
  const head = ['AT', 'ACTOR', 'ROLE', 'ADDRESS', 'METHOD', 'PATH', 'STATUS', 'CODE']
  const rows = page.items.map(({ at, actor, role, address, method, path, status, code }) => [
    ...[at, actor, role, address, method, path, status, code],
  ])
  await context.print(table(head, rows))
}
