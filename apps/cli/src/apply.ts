import { type Changed } from './answers.ts'
import { type AdminClient } from './client.ts'
import { type Context } from './context.ts'
import { reportChanged } from './changes.ts'
import { collect, type Collected, readSources } from './documents.ts'
import { EXIT, type ExitCode, Failure, failed } from './failure.ts'

export interface ApplyOptions {
  readonly file: readonly string[]
  readonly set?: string
  readonly prune?: boolean
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly wait?: string
  readonly reason?: string
}

/** Makes the state what the documents say: one PUT /config, one revision. */
export async function apply(context: Context, options: ApplyOptions): Promise<ExitCode> {
  const collected = await readDocuments(context, options.file)
  const client = await context.client()
  return reportChanged(context, await putConfig(client, collected, options))
}

/** All that the files say; a problem of any of them stops here, together with all the others. */
export async function readDocuments({ io }: Context, files: readonly string[]): Promise<Collected> {
  const collected = collect(await readSources(files, io), io.env)
  const { problems, config } = collected
  if (problems.length > 0) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    throw failed(`${count} in what was read; nothing was sent`, {
      code: 'invalid_input',
      errors: problems,
    })
  }
  if (Object.keys(config).length > 0) return collected
  throw failed(`${files.join(', ')}: no documents`, { code: 'invalid_input' })
}

export async function putConfig(
  client: AdminClient,
  collected: Pick<Collected, 'config' | 'locate'>,
  options: ApplyOptions & { readonly source?: 'cli' | 'import' },
): Promise<Changed> {
  const { set, prune, force, dryRun, wait, file, source = 'cli' } = options
  const reason = options.reason ?? `signalbox apply -f ${file.join(' -f ')}`
  const query = { set, prune, force, dryRun, wait: dryRun ? undefined : wait }
  try {
    return await client.write<Changed>('PUT', 'config', {
      ...{ query, body: collected.config, reason, source },
    })
  } catch (error) {
    throw error instanceof Failure ? placed(error, collected) : error
  }
}

/** The server names a path of the document; people want the file and the line. */
function placed({ facts }: Failure, { locate }: Pick<Collected, 'locate'>): Failure {
  const { errors } = facts
  if (facts.exitCode !== EXIT.refused || !errors) return new Failure(facts)
  return new Failure({
    ...facts,
    errors: errors.map((error) => ({ ...error, ...locate(error.path) })),
  })
}
