// `npm run sim -- [--seeds N] [--from N] | --seed N`: CONTRIBUTING.md. Runs worlds (world.ts) one after the
// other and names the seeds that fail; with --seed one of them, step by step.
import { parseArgs } from 'node:util'
import { problemOf, run } from './run-seed.ts'

const SEEDS = 2_000
const SAY_EVERY = 100

const { seed, seeds, from } = readArguments()
if (seed === undefined) await runMany(from, seeds)
else await replay(seed)

async function runMany(first: number, count: number): Promise<void> {
  const failed: number[] = []
  for (let at = first; at < first + count; at++) {
    const problem = problemOf(await run(at))
    if (problem !== undefined) {
      failed.push(at)
      console.log(`seed ${at}: ${problem} (replay: npm run sim -- --seed ${at})`)
    }
    const done = at - first + 1
    if (done % SAY_EVERY === 0) console.log(`${done} of ${count}, ${failed.length} failed`)
  }
  console.log(`${count} seeds from ${first}: ${failed.length} failed`)
  if (failed.length > 0) process.exitCode = 1
}

async function replay(one: number): Promise<void> {
  const outcome = await run(one)
  console.log(outcome.trace.join('\n'))
  console.log(outcome.picture)
  const problem = problemOf(outcome)
  console.log(`seed ${one}: ${problem ?? 'nothing is wrong'}`)
  if (problem !== undefined) process.exitCode = 1
}

function readArguments() {
  try {
    const options = {
      seeds: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
    } as const
    const { values } = parseArgs({ options })
    const all = Object.entries({ seeds: String(SEEDS), from: '1', ...values }).map(
      ([name, text]) => {
        if (!/^[1-9]\d{0,8}$/.test(text ?? ''))
          stop(`--${name} is ${JSON.stringify(text)}, no number`)
        return [name, Number(text)]
      },
    )
    return Object.fromEntries(all) as { seeds: number; from: number; seed?: number }
  } catch (error) {
    return stop(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}

function stop(message: string): never {
  console.error(`sim: ${message}`)
  process.exit(2)
}
