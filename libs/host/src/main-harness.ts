// A process for main.spec.ts: runs runMain() and says what happens to it. Its parent tells it by
// messages when to go on, so that nobody waits for time to pass.
import { ConfigError } from './env.ts'
import { runMain } from './main.ts'

const [scenario = '', more] = process.argv.slice(2)
const heard = new Map<unknown, () => void>()
process.on('message', (message) => heard.get(message)?.())

const say = (word: string) => void (process.connected && process.send?.(word))
const told = (word: string) => new Promise<void>((resolve) => heard.set(word, resolve))

// As a process with a server: neither ends because its parent's channel does.
setInterval(() => {}, 60_000)

// The clock that tells one wish from two stands still until the parent moves it.
let nowMs = 0
performance.now = () => nowMs
heard.set('a second passes', () => {
  nowMs += 1_001
  say('a second passed')
})
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => say(name))

async function start() {
  if (scenario === 'config') throw new ConfigError('SIGNALBOX_X is "a"; expected b')
  if (scenario === 'bug') throw new TypeError('it broke')
  if (scenario === 'text') throw 'only text'
  if (scenario === 'slow-start') {
    const go = told('go')
    say('starting')
    await go
  }
  say('started')
  return { stop }
}

async function stop() {
  const go = told('go')
  say('stopping')
  if (scenario === 'slow-stop') await go
  if (scenario === 'bad-stop') throw new Error('it does not stop')
}

await runMain(start, { stopWithParent: more === 'with-parent' })
