import { type Unmapped } from '@signalbox/control'
import { type ListenAddress, VERSION } from '@signalbox/host'
import { type Resource } from '@signalbox/model'
import { type ConfigFile } from './config-file.ts'
import { urlOf } from './url.ts'

export interface Greeting {
  readonly admin: ListenAddress
  readonly probe: ListenAddress
  readonly proxies: readonly ListenAddress[]
  readonly tokenFile: string
  readonly dataDir: string
  /** What `--config` named. */
  readonly file: ConfigFile | null
  /** Those that it names. */
  readonly backends: readonly Resource<'backend'>[]
  readonly demo: boolean
  readonly elapsedMs: number
}

const MS_PER_S = 1_000

/** What a newcomer needs to see: where things are, what was found, and one command that works. */
export function greet(greeting: Greeting): void {
  process.stdout.write(`${render(greeting)}\n`)
}

function render({
  admin,
  probe,
  proxies,
  tokenFile,
  dataDir,
  file,
  backends,
  demo,
  elapsedMs,
}: Greeting) {
  const list = backends.map(({ id, spec }) => `${id} (${spec.kind}, ${spec.url})`)
  return [
    '',
    `Signalbox ${VERSION} is up in ${(elapsedMs / MS_PER_S).toFixed(1)} s`,
    '',
    ...proxies.map((address) => `  proxy     ${urlOf(address)}   the OpenAI API for your clients`),
    `  admin     ${urlOf(admin)}   API reference at /docs`,
    `  probe     ${urlOf(probe)}`,
    `  token     ${tokenFile}`,
    `  data      ${dataDir}`,
    ...(file ? [`  config    ${file.path}`, ...file.unmapped.map(unmappedLine)] : []),
    `  backends  ${list.length > 0 ? list.join(', ') : 'none yet'}`,
    '',
    list.length > 0 ? 'Ask it something:' : 'Add a backend:',
    '',
    list.length > 0 ? askWith(proxies[0], demo) : addWith(admin, tokenFile),
    '',
    'Ctrl-C drains and stops.',
  ].join('\n')
}

function unmappedLine({ path, why }: Unmapped): string {
  return `            not used: ${path} (${why})`
}

function askWith(proxy: ListenAddress | undefined, demo: boolean): string {
  const base = proxy ? urlOf(proxy) : ''
  if (!demo) return `  curl ${base}/v1/models`
  const body = '{"model":"demo-small","messages":[{"role":"user","content":"Hello"}]}'
  return `  curl ${base}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`
}

function addWith(admin: ListenAddress, tokenFile: string): string {
  const spec = '{"id":"mine","spec":{"kind":"openai-compatible","url":"http://127.0.0.1:8000"}}'
  const token =
    tokenFile === 'SIGNALBOX_ADMIN_TOKEN' ? '$SIGNALBOX_ADMIN_TOKEN' : `$(cat ${tokenFile})`
  const headers = `-H "authorization: Bearer ${token}" -H 'content-type: application/json'`
  return `  curl ${urlOf(admin)}/admin/v1/backends ${headers} -d '${spec}'`
}
