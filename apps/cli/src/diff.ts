import { type Change } from './answers.ts'
import { putConfig, readDocuments } from './apply.ts'
import { type Context } from './context.ts'
import { renderChanges } from './changes.ts'
import { EXIT, type ExitCode, usage } from './failure.ts'

export interface DiffOptions {
  readonly file?: readonly string[]
  readonly set?: string
  readonly prune?: boolean
  readonly force?: boolean
  readonly exitCode?: boolean
}

export interface DiffArguments {
  readonly from: string | undefined
  readonly to: string | undefined
}

interface Difference {
  readonly from?: number
  readonly to?: number
  readonly revision?: number
  readonly changes: readonly Change[]
}

/** What an apply of the files would change, or what differs between two revisions. */
export async function diff(
  context: Context,
  { from, to }: DiffArguments,
  options: DiffOptions,
): Promise<ExitCode> {
  const { file = [], exitCode = false } = options
  if (file.length > 0 && from !== undefined) throw usage('give files or revisions, not both')
  if (file.length === 0 && from === undefined) throw usage('nothing to compare with', EXPECTED)
  const found =
    from === undefined
      ? await ofFiles(context, { ...options, file })
      : await (await context.client()).get<Difference>('diff', { from, to })
  if (context.json) await context.printJson(found)
  else if (found.changes.length > 0) {
    await context.print(renderChanges(found.changes, context.paint))
  } else await context.note('no difference')
  return exitCode && found.changes.length > 0 ? EXIT.failed : EXIT.ok
}

const EXPECTED = 'Expected `diff -f FILE`, or `diff FROM [TO]` with revisions or RFC 3339 times.'

async function ofFiles(
  context: Context,
  options: DiffOptions & { readonly file: readonly string[] },
): Promise<Difference> {
  const collected = await readDocuments(context, options.file)
  // How much would go is what the diff shows; only an apply is held back by it.
  const how = { ...options, force: true, dryRun: true }
  const { revision, changes } = await putConfig(await context.client(), collected, how)
  return { revision, changes }
}

export interface ExportOptions {
  readonly asOf?: string
  readonly format?: string
}

const FORMATS = ['yaml', 'json', 'toml']

/** The whole desired state as a document that apply reads. */
export async function exportConfig(context: Context, options: ExportOptions): Promise<void> {
  const { asOf, format = context.json ? 'json' : 'yaml' } = options
  if (!FORMATS.includes(format)) {
    throw usage(`there is no format ${JSON.stringify(format)}`, `One of ${FORMATS.join(', ')}.`)
  }
  const { text } = await (await context.client()).text('config', { asOf, format })
  await context.print(text)
}
