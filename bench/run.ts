// `npm run bench [-- SUITE ...] [--save-baseline NAME | --baseline NAME]
// [--backends N] [--keys N] [--revisions N] [--seconds N] [--minutes N]`: see bench/README.md.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { failover } from './failover.ts'
import { fleet } from './fleet.ts'
import { dialects } from './dialects.ts'
import { control, revisions } from './control.ts'
import { type Machine, missed, type Run, type Sizes, type Suite } from './figure.ts'
import { lossesSince, markdownOf, shown, svgOf } from './report.ts'
import { limits } from './limits.ts'
import { performanceSuite } from './performance.ts'
import { probe } from './probe.ts'
import { routing } from './routing.ts'
import { smoke } from './smoke.ts'
import { soak } from './soak.ts'

const SUITES: Readonly<Record<string, Suite>> = {
  ...{ smoke, control, revisions },
  ...{ routing, dialects, probe, limits, fleet, failover, soak },
  performance: performanceSuite,
}
const SIZES: Sizes = {
  backends: 100_000,
  keys: 1_000_000,
  revisions: 100_000,
  seconds: 30,
  minutes: 10,
}
const NAME = /^[A-Za-z0-9._-]{1,64}$/
const results = join(import.meta.dirname, 'results')
const baselines = join(import.meta.dirname, 'baselines')

const { names, save, against, sizes } = readArguments()
for (const name of names) await runSuite(name)

async function runSuite(name: string): Promise<void> {
  const suite = SUITES[name]
  if (!suite) return stop(`there is no suite ${name}; one of ${Object.keys(SUITES).join(', ')}`)
  const before = against === undefined ? undefined : readBaseline(against, name)
  const machine = describeMachine()
  const figures = await suite((line) => console.error(`  ${line} ...`), sizes)
  const run: Run = { suite: name, machine, figures }
  const report = markdownOf(run, before)
  const base = join(results, `${name}-${machine.at.replaceAll(/[:.]/g, '-')}`)
  mkdirSync(results, { recursive: true })
  writeFileSync(`${base}.json`, `${JSON.stringify(run, null, 2)}\n`)
  writeFileSync(`${base}.md`, report)
  writeFileSync(`${base}.svg`, svgOf(run))
  console.log(report)
  if (save !== undefined) saveBaseline(save, run)
  for (const figure of figures.filter(missed)) {
    console.error(`promise missed: ${figure.name}, ${shown(figure.value, figure.unit)}`)
    process.exitCode = 1
  }
  for (const { name: figure, before: was, now, loss } of before ? lossesSince(run, before) : []) {
    console.error(`worse by ${Math.round(loss * 100)} %: ${figure}, ${was} -> ${now}`)
    process.exitCode = 1
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        'save-baseline': { type: 'string' },
        baseline: { type: 'string' },
        backends: { type: 'string' },
        keys: { type: 'string' },
        revisions: { type: 'string' },
        seconds: { type: 'string' },
        minutes: { type: 'string' },
      },
    })
    const { 'save-baseline': save, baseline: against } = values
    if (save !== undefined && against !== undefined) stop('save a baseline, or compare with one')
    for (const name of [save, against]) {
      if (name !== undefined && !NAME.test(name)) stop(`${JSON.stringify(name)} is no name`)
    }
    const names = positionals.length > 0 ? positionals : Object.keys(SUITES)
    return { names, save, against, sizes: readSizes(values) }
  } catch (error) {
    return stop(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}

function readSizes(given: Partial<Record<keyof Sizes, string>>): Sizes {
  const entries = (Object.keys(SIZES) as (keyof Sizes)[]).map((name) => {
    const text = given[name] ?? String(SIZES[name])
    if (!/^[1-9]\d{0,6}$/.test(text)) stop(`--${name} is ${JSON.stringify(text)}, no size`)
    return [name, Number(text)]
  })
  return Object.fromEntries(entries) as unknown as Sizes
}

function baselinePath(name: string, suite: string): string {
  return join(baselines, name, `${suite}.json`)
}

function readBaseline(name: string, suite: string): Run {
  const path = baselinePath(name, suite)
  if (!existsSync(path)) return stop(`there is no baseline ${name} of ${suite}`)
  return JSON.parse(readFileSync(path, 'utf8'))
}

function saveBaseline(name: string, run: Run): void {
  mkdirSync(join(baselines, name), { recursive: true })
  writeFileSync(baselinePath(name, run.suite), `${JSON.stringify(run, null, 2)}\n`)
}

function describeMachine(): Machine {
  const git = ['rev-parse', '--short', 'HEAD']
  const commit = execFileSync('git', git, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  return {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  }
}

function stop(message: string): never {
  console.error(`bench: ${message}`)
  process.exit(2)
}
