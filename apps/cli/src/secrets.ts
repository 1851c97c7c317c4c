import { type Changed, type Resource } from './answers.ts'
import { type AdminClient, type Write } from './client.ts'
import { type Context } from './context.ts'
import { EXIT, type ExitCode, Failure, usage } from './failure.ts'
import { pathOf } from './kinds.ts'
import { plain } from './paint.ts'
import { readValue } from './secret-value.ts'
import { table } from './table.ts'
import { type WriteFlags } from './time.ts'
import { backendsWith } from './users.ts'

export interface SecretFlags extends WriteFlags {
  readonly file?: string
  readonly origin?: readonly string[]
  readonly description?: string
  readonly label?: readonly string[]
}

/** Makes a secret or gives it another value; what is not said of one that exists stays. */
export async function setSecret(
  context: Context,
  name: string,
  { file, origin, description, label, dryRun, wait, reason }: SecretFlags,
): Promise<void> {
  const labels = label && Object.fromEntries(label.map(pairOf))
  const value = await readValue(context.io, name, file)
  const client = await context.client()
  const answer = await write(client, name, {
    query: { dryRun, wait: dryRun ? undefined : wait },
    body: { value, origins: origin, description, labels },
    reason: reason ?? `signalbox secrets set ${name}`,
  })
  if (context.json) return context.printJson(answer)
  if ('dryRun' in answer) return context.print(`secret ${name} would be set`)
  const { fingerprint, origins } = answer.spec
  const users = await backendsWith(client, name)
  const where = Array.isArray(origins)
    ? `it may go to ${origins.join(', ')}`
    : 'it names no origins: an admin lets backends refer to it'
  const used = users.length > 0 ? `used by ${users.join(', ')}` : 'no backend refers to it yet'
  await context.print(plain(`secret ${name} is set (${String(fingerprint)}); ${where}; ${used}`))
}

type Written = Resource | (Changed & { readonly dryRun: true })

/** What exists is patched, so that its origins stay; what does not is made. */
async function write(client: AdminClient, name: string, given: Write): Promise<Written> {
  const { body: spec, ...rest } = given
  const path = pathOf({ resource: 'secret', id: name })
  try {
    return await client.write<Written>('PATCH', path, { ...rest, body: { spec } })
  } catch (error) {
    if (!(error instanceof Failure) || error.facts.code !== 'not_found') throw error
  }
  return client.write<Written>('POST', 'secrets', { ...rest, body: { id: name, spec } })
}

function pairOf(text: string): readonly [string, string] {
  const [name = '', value] = text.split(/=(.*)/s)
  if (name !== '' && value !== undefined) return [name, value]
  throw usage(`${JSON.stringify(text)} is no label`, 'Expected NAME=VALUE.')
}

export interface SealedStatus {
  readonly key: string
  readonly previousKeys: readonly string[]
  readonly keys: readonly {
    readonly key: string | null
    readonly state: 'current' | 'previous' | 'missing'
    readonly secrets: number
    readonly backends: number
  }[]
  readonly remaining: number
  readonly missing: readonly string[]
  readonly answersRemaining?: number
}

/** Which master keys what is sealed is under. */
export async function showStatus(context: Context): Promise<ExitCode> {
  const status = await (await context.client()).get<SealedStatus>('secrets/status')
  if (context.json) await context.printJson(status)
  else {
    const rows = status.keys.map((use) => [use.key, use.state, use.secrets, use.backends])
    await context.print(table(['KEY', 'STATE', 'SECRETS', 'BACKENDS'], rows))
    const { remaining, answersRemaining = 0 } = status
    const answers = `kept answers to seal anew: ${answersRemaining}`
    await context.print(`to seal anew: ${remaining}; ${answers}`)
  }
  return reportMissing(context, status)
}

type Rewrapped = SealedStatus & { readonly revision: number; readonly resealed: number }

/** Seals anew what is not under the master key of now: as many revisions as that takes. */
export async function rewrap(
  context: Context,
  { dryRun, wait, reason }: WriteFlags,
): Promise<ExitCode> {
  const client = await context.client()
  const send = () =>
    client.write<Rewrapped & Partial<Changed>>('POST', 'secrets/rewrap', {
      query: { dryRun, wait: dryRun ? undefined : wait },
      reason: reason ?? 'signalbox secrets rewrap',
    })
  let answer = await send()
  if (dryRun) {
    const count = answer.changes?.length ?? 0
    if (context.json) await context.printJson(answer)
    else await context.print(`${count} would be sealed anew by the first revision`)
    return EXIT.ok
  }
  let [resealed, revisions] = [answer.resealed, answer.resealed > 0 ? 1 : 0]
  while (answer.remaining > 0 && answer.resealed > 0) {
    answer = await send()
    resealed += answer.resealed
    revisions++
  }
  const { key, remaining, missing } = answer
  if (context.json) await context.printJson({ key, resealed, revisions, remaining, missing })
  else {
    const how = revisions === 1 ? 'in 1 revision' : `in ${revisions} revisions`
    await context.print(
      resealed > 0
        ? `${resealed} sealed anew under key ${key}, ${how}`
        : `nothing to seal anew: all that opens is under key ${key}`,
    )
  }
  return reportMissing(context, answer)
}

async function reportMissing(
  context: Context,
  { missing }: Pick<SealedStatus, 'missing'>,
): Promise<ExitCode> {
  if (missing.length === 0) return EXIT.ok
  const remedy = 'add its key to SIGNALBOX_MASTER_KEY_PREVIOUS, or set the value again'
  await context.note(plain(`no master key of the admin API opens ${missing.join(', ')}: ${remedy}`))
  return EXIT.failed
}
