import { ConfigError, type ListenAddress } from '@signalbox/host'
import { type FieldProblem } from '@signalbox/model'
import { type ConfigFile, problemsIn } from './config-file.ts'
import { urlOf } from './url.ts'

/** A backend that the start adds by itself. */
export interface Registration {
  readonly id: string
  readonly kind: string
  readonly url: string
  readonly apiKey?: string
  readonly labels?: Readonly<Record<string, string>>
}

const WAIT = '2s'
/** Owns what `--config` names, so that what goes from the file goes from the configuration. */
const SET = 'config-file'

interface Admin {
  readonly address: ListenAddress
  readonly token: string
}

/** Makes what the file names so, as one revision; throws ConfigError with what is refused. */
export async function applyConfigFile(
  { path, document }: ConfigFile,
  { address, token }: Admin,
): Promise<void> {
  if (address.kind === 'unix') {
    throw new ConfigError('--config needs an admin API on TCP; set SIGNALBOX_ADMIN_LISTEN')
  }
  const query = `set=${SET}&prune=true&force=true&wait=${WAIT}`
  const answer = await fetch(`${urlOf(address)}/admin/v1/config?${query}`, {
    method: 'PUT',
    headers: headersOf(token, `--config ${path}`),
    body: JSON.stringify(document),
  })
  if (answer.ok) return
  const { detail, errors = [] } = (await answer.json()) as Problem
  throw problemsIn(path, errors.length > 0 ? errors : [{ path: '', message: detail }])
}

interface Problem {
  readonly detail: string
  readonly errors?: readonly FieldProblem[]
}

function headersOf(token: string, reason: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    // Percent-encoded: a path may hold what a header may not.
    'x-reason': encodeURIComponent(reason),
  }
}

/** Through the admin API, as any operator would: audited, and only where something is new. */
export async function registerBackends(
  backends: readonly Registration[],
  { address, token }: Admin,
): Promise<void> {
  if (address.kind === 'unix') return
  for (const { id, ...spec } of backends) {
    const url = `${urlOf(address)}/admin/v1/backends/${id}?wait=${WAIT}`
    const answer = await fetch(url, {
      method: 'PUT',
      headers: headersOf(token, 'found at the start'),
      body: JSON.stringify({ spec }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`the backend ${id} cannot be added: ${text}`)
  }
}
