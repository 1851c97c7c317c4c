import { type Imported, importContinuum, importLiteLlm } from '@signalbox/control'
import { stringify } from 'yaml'
import { putConfig } from './apply.ts'
import { reportChanged } from './changes.ts'
import { type Context } from './context.ts'
import { readSources } from './documents.ts'
import { EXIT, type ExitCode, failed, usage } from './failure.ts'
import { plain } from './paint.ts'
import { readSource } from './source-file.ts'

const IMPORTERS = { continuum: importContinuum, litellm: importLiteLlm } as const
type From = keyof typeof IMPORTERS

export interface ImportOptions {
  readonly apply?: boolean
  readonly set?: string
  readonly dryRun?: boolean
  readonly wait?: string
  readonly reason?: string
}

export interface ImportArguments {
  readonly from: string
  readonly file: string
}

/** Prints what another router's file becomes, and on stderr what of it has no place. */
export async function importFile(
  context: Context,
  { from, file }: ImportArguments,
  options: ImportOptions,
): Promise<ExitCode> {
  const imported = await readForeign(context, { from: importerOf(from), file })
  if (options.apply) return applyImported(context, imported, { ...options, from, file })
  if (context.json) await context.printJson(imported)
  else {
    await context.print(stringify(imported.config))
    await reportUnmapped(context, imported)
    const withKey = Object.values(imported.config.backends).filter(hasKey).length
    if (withKey > 0) await context.note(`keys stand in it as they are: ${withKey}; keep it secret`)
  }
  return EXIT.ok
}

function importerOf(from: string): From {
  const names = Object.keys(IMPORTERS) as readonly From[]
  const name = names.find((one) => one === from)
  if (name) return name
  throw usage(`cannot import from ${JSON.stringify(from)}`, `One of ${names.join(', ')}.`)
}

async function readForeign(
  { io }: Context,
  { from, file }: { readonly from: From; readonly file: string },
): Promise<Imported> {
  const invalid = { code: 'invalid_input' }
  const [source, ...more] = await readSources([file], io)
  if (!source || more.length > 0) throw failed(`${file}: expected one file`, invalid)
  const { documents, problems } = readSource(source.file, source.text, source.format)
  const [document, ...others] = documents
  if (problems.length > 0) {
    throw failed(`${file} cannot be read`, { ...invalid, errors: problems })
  }
  if (!document || others.length > 0) throw failed(`${file}: expected one document`, invalid)
  const result = IMPORTERS[from](document.value, io.env)
  if (result.ok) return result.value
  throw failed(`${file} is not imported; nothing was sent`, {
    ...invalid,
    errors: result.error.map((problem) => ({
      ...problem,
      ...document.locate(problem.path === '' ? [] : problem.path.split('.')),
    })),
  })
}

function hasKey(spec: unknown): boolean {
  return typeof spec === 'object' && spec !== null && 'apiKey' in spec
}

async function reportUnmapped(context: Context, { unmapped }: Imported): Promise<void> {
  for (const { path, why } of unmapped) await context.note(plain(`unmapped: ${path}: ${why}`))
}

async function applyImported(
  context: Context,
  imported: Imported,
  { from, file, ...options }: ImportOptions & ImportArguments,
): Promise<ExitCode> {
  if (!context.json) await reportUnmapped(context, imported)
  const collected = { config: imported.config, locate: () => undefined }
  const reason = options.reason ?? `signalbox import ${from} ${file}`
  const how = { ...options, reason, file: [file], source: 'import' } as const
  const changed = await putConfig(await context.client(), collected, how)
  const { unmapped } = imported
  return reportChanged(context, context.json ? { ...changed, ...{ unmapped } } : changed)
}
