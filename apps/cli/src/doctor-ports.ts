import { request } from 'node:http'
import { type ListenAddress, parseListenList, showListen } from '@signalbox/host'
import { isLoopback } from './connection.ts'
import { type Context } from './context.ts'
import { type Check } from './doctor.ts'

const ANSWER_MS_MAX = 2_000
const ANSWER_BYTES_MAX = 1_024

/** Processes that listen beside the admin API, and where they do unless a variable says another. */
const LISTENERS = [
  { name: 'proxy port', variable: 'SIGNALBOX_PROXY_LISTEN', standard: '127.0.0.1:8080' },
  { name: 'probe port', variable: 'SIGNALBOX_PROBE_LISTEN', standard: '127.0.0.1:8082' },
] as const
type Listener = (typeof LISTENERS)[number]

/** What answered at an address: a process of ours, something else, or nobody, with the reason. */
type Answered = 'ours' | 'other' | { readonly nobody: string }

/** Whether proxy and probe answer on this machine. Those of another machine are not looked for. */
export async function checkPorts({ io }: Context, url: string): Promise<readonly Check[]> {
  if (!isLoopback(new URL(url))) {
    const detail = 'not looked at: the admin API is on another machine'
    return [{ name: 'ports', state: 'ok', detail }]
  }
  return Promise.all(LISTENERS.map((listener) => checkListener(listener, io.env)))
}

async function checkListener(listener: Listener, env: Context['io']['env']): Promise<Check> {
  const { name, variable, standard } = listener
  const said = env[variable] || undefined
  const addresses = parseListenList(said ?? standard)
  if (!addresses) {
    const detail = `${variable} names no address`
    return { name, state: 'fail', detail, remedy: 'Expected host:port or unix:/path, by commas.' }
  }
  const answers = await Promise.all(addresses.map(ask))
  const failed = addresses.findIndex((_, at) => answers[at] !== 'ours')
  const answer = answers[failed]
  const where = (address: ListenAddress | undefined) => (address ? showListen(address) : '')
  if (answer === undefined || answer === 'ours') {
    return { name, state: 'ok', detail: `${addresses.map(where).join(', ')} answers` }
  }
  // What nobody named may be as it should be: a fleet's processes need not all be here.
  const state = said === undefined ? 'warn' : 'fail'
  const at = where(addresses[failed])
  if (answer === 'other') {
    const remedy = `Stop it, or give the process another address by ${variable}, here as well.`
    return { name, state, detail: `${at} is another program's`, remedy }
  }
  const remedy = `Start it; where it listens elsewhere, set ${variable} for this command as well.`
  return { name, state, detail: `${at} does not answer (${answer.nobody})`, remedy }
}

/** Asks for /healthz, which costs the process nothing. */
function ask(address: ListenAddress): Promise<Answered> {
  return new Promise((resolve) => {
    const asked = request(
      { ...placeOf(address), path: '/healthz', signal: AbortSignal.timeout(ANSWER_MS_MAX) },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
          if (text.length > ANSWER_BYTES_MAX) response.destroy()
        })
        response.on('close', () => resolve(isAlive(text) ? 'ours' : 'other'))
      },
    )
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const isSilent = error.name === 'AbortError' || error.name === 'TimeoutError'
      const isForeign = error.code?.startsWith('HPE_') ?? false
      resolve(isForeign ? 'other' : { nobody: isSilent ? 'silence' : (error.code ?? error.name) })
    })
    asked.end()
  })
}

/** Where to call what listens everywhere. */
function placeOf(address: ListenAddress) {
  if (address.kind === 'unix') return { socketPath: address.path }
  const anywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return { host: anywhere[address.host] ?? address.host, port: address.port }
}

function isAlive(text: string): boolean {
  try {
    return (JSON.parse(text) as { readonly alive?: unknown } | null)?.alive === true
  } catch {
    return false
  }
}
