// `npm run fuzz -- [--inputs N] [--seed S] [--only N]`: CONTRIBUTING.md. Wrong bodies, answers and
// streams of every dialect, to the translations and through a proxy.
import { parseArgs } from 'node:util'
import { openPlace } from './proxy-input.ts'
import { problemOf } from './run.ts'
import { samplesOf } from './samples.ts'

const INPUTS = 100_000
const SAY_EVERY = 5_000
const PROBLEMS_MOST = 20
const WARM_UP = 2_000
const GROWTH_MB_MOST = 256
const BYTES_PER_MB = 1_048_576
const SLOW_MS = 5_000

const { inputs, seed, only } = readArguments()
const fuzzed = { samples: samplesOf(seed), place: await openPlace(), seed }
process.exitCode = only === undefined ? await runMany() : await runOne(only)
await fuzzed.place.close()

async function runMany(): Promise<number> {
  let failed = 0
  let warmMb = 0
  for (let n = 1; n <= inputs && failed < PROBLEMS_MOST; n++) {
    const startMs = performance.now()
    const problem = (await problemOf(fuzzed, n)) ?? slow(performance.now() - startMs)
    if (problem !== undefined) {
      failed += 1
      console.log(`input ${n}: ${problem.slice(0, 2_000)}`)
      console.log(`  again: npm run fuzz -- --seed ${seed} --only ${n}`)
    }
    if (n === WARM_UP) warmMb = rssMb()
    if (n % SAY_EVERY === 0) console.log(`${n} of ${inputs}, ${failed} wrong, ${rssMb()} MB`)
  }
  const grownMb = warmMb === 0 ? 0 : rssMb() - warmMb
  if (grownMb > GROWTH_MB_MOST) console.log(`memory grew by ${grownMb} MB`)
  console.log(`${inputs} inputs of seed ${seed}: ${failed} wrong, memory grew by ${grownMb} MB`)
  return failed > 0 || grownMb > GROWTH_MB_MOST ? 1 : 0
}

async function runOne(n: number): Promise<number> {
  const problem = await problemOf(fuzzed, n)
  console.log(`input ${n}: ${problem ?? 'nothing is wrong'}`)
  return problem === undefined ? 0 : 1
}

function slow(ms: number): string | undefined {
  return ms > SLOW_MS ? `it took ${Math.round(ms)} ms` : undefined
}

function rssMb(): number {
  return Math.round(process.memoryUsage().rss / BYTES_PER_MB)
}

function readArguments() {
  const text = { type: 'string' } as const
  const options = { inputs: text, seed: text, only: text }
  const { values } = parseArgs({ options })
  const numberOf = (name: keyof typeof values) => {
    const given = values[name]
    if (given !== undefined && !/^[1-9]\d{0,8}$/.test(given)) {
      console.error(`fuzz: --${name} is ${JSON.stringify(given)}, no number`)
      process.exit(2)
    }
    return given === undefined ? undefined : Number(given)
  }
  const only = numberOf('only')
  return { inputs: numberOf('inputs') ?? INPUTS, seed: numberOf('seed') ?? 1, only }
}
