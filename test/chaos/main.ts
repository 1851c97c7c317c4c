// `npm run chaos -- [--minutes N] [--seed S]`: CONTRIBUTING.md. Breaks a fleet of real processes for
// so long; says what it did, and what did not hold.
import { parseArgs } from 'node:util'
import { runChaos } from './run.ts'

const MS_PER_MINUTE = 60_000
const SEED_MAX = 1_000_000

const { minutes, seed } = readArguments()
const endMs = performance.now() + minutes * MS_PER_MINUTE
console.log(`seed ${seed}, ${minutes} minutes`)
const outcome = await runChaos({
  seed,
  goesOn: () => performance.now() < endMs,
  say: (line) => console.log(`${new Date().toISOString()} ${line}`),
})
const { problems, requests, cut, writes, faults } = outcome
console.log(`${requests} requests (${cut} cut with what was killed), ${writes} writes`)
console.log(`kinds of faults: ${[...faults].sort().join(', ')}`)
console.log(`seed ${seed}: ${problems.length === 0 ? 'nothing is wrong' : 'see above'}`)
process.exit(problems.length === 0 ? 0 : 1)

function readArguments() {
  const options = { minutes: { type: 'string' }, seed: { type: 'string' } } as const
  try {
    const { values } = parseArgs({ options })
    const random = String(1 + Math.floor(Math.random() * SEED_MAX))
    return {
      minutes: wholeOf('minutes', values.minutes ?? '5'),
      seed: wholeOf('seed', values.seed ?? random),
    }
  } catch (error) {
    return stop(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}

function wholeOf(name: string, text: string): number {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : stop(`--${name} is no number: ${text}`)
}

function stop(message: string): never {
  console.error(`chaos: ${message}`)
  process.exit(2)
}
