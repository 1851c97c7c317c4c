// `npm start`, `npm test` and their siblings, from a bare clone. Runs on any Node from 20.18: no
// dependency is imported here before it is installed. What is missing or stale is made, in order:
// dependencies, the generated database client, the bundles; then the work is handed to Node 24.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = (name) => join(root, 'node_modules/.bin', name)
const [name = '', ...rest] = process.argv.slice(2)
/** Where the user is: npm runs scripts in the root, and says where it was called. */
const cwd = (process.env.npm_lifecycle_event === name && process.env.INIT_CWD) || process.cwd()
process.chdir(root)

const PARENT_CHECK_MS = 250
const APPS = ['admin-api', 'cli', 'health-probe', 'proxy', 'standalone']

const commands = {
  start,
  test,
  build: async () => prepare(),
  lint,
  bench,
  sim,
  chaos,
  fuzz,
  signalbox,
  'nats-accounts': natsAccounts,
}
const command = commands[name]
if (!command)
  fail(`unknown command ${JSON.stringify(name)}; one of ${Object.keys(commands).join(', ')}`)
await command(rest)

async function start(args) {
  prepare()
  process.exitCode = await runNode([join(root, 'dist/standalone/main.js'), ...args], {
    withParent: true,
  })
}

async function test(args) {
  prepare()
  const counts = join(tmpdir(), `signalbox-test-${process.pid}.json`)
  const jest = [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    ...args,
  ]
  const code = await runNode(jest, { env: { SIGNALBOX_TEST_COUNTS: counts } })
  process.exitCode = sayCounts(counts, code)
}

async function bench(args) {
  prepare()
  process.exitCode = await runNode([join(root, 'bench/run.ts'), ...args], {})
}

/** A fleet on a bad bus, seed after seed: CONTRIBUTING.md. */
async function sim(args) {
  prepare()
  process.exitCode = await runNode([join(root, 'test/sim/main.ts'), ...args], {})
}

/** A fleet of processes that are broken, as a seed says: CONTRIBUTING.md. */
async function chaos(args) {
  prepare()
  process.exitCode = await runNode([join(root, 'test/chaos/main.ts'), ...args], {})
}

/** Wrong bodies, answers and streams, one after the other: CONTRIBUTING.md. */
async function fuzz(args) {
  prepare()
  process.exitCode = await runNode([join(root, 'test/fuzz/main.ts'), ...args], {})
}

/** The CLI, where the user is. Its stdout is the command's alone: what is made first goes to stderr. */
async function signalbox(args) {
  prepare()
  process.exitCode = await runNode([join(root, 'dist/cli/main.js'), ...args], { cwd })
}

/** Prints the accounts and permissions of a fleet on NATS: deploy/nats/README.md. */
async function natsAccounts(args) {
  install()
  process.exitCode = await runNode([join(root, 'tools/nats-accounts.mjs'), ...args], { cwd })
}

function sayCounts(path, code) {
  if (!existsSync(path)) fail('the test run ended before it could count its tests', code || 1)
  const { passed, failed, skipped } = JSON.parse(readFileSync(path, 'utf8'))
  rmSync(path)
  for (const title of skipped) console.log(`skipped: ${title}`)
  console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
  return failed > 0 || passed === 0 ? code || 1 : code
}

function lint() {
  install()
  generate()
  run(process.execPath, [bin('tsc'), '-p', 'tsconfig.json', '--noEmit'])
  run(process.execPath, [bin('tsc'), '-p', 'apps/console/tsconfig.json', '--noEmit'])
  run(node(), [bin('eslint'), '.'])
  run(node(), [bin('prettier'), '--check', '--log-level', 'warn', '.'])
}

/** Makes what is missing or stale; quick when nothing is. */
function prepare() {
  install()
  generate()
  build()
}

function install() {
  const lock = join(root, 'package-lock.json')
  const done = join(root, 'node_modules/.package-lock.json')
  if (existsSync(done) && statSync(done).mtimeMs >= statSync(lock).mtimeMs) return
  say('installing dependencies')
  const npm = process.env.npm_execpath
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  if (npm?.endsWith('.js')) run(process.execPath, [npm, ...args])
  else run('npm', args)
}

/** TypeScript that is made of other files. */
function generate() {
  generateDatabaseClient()
  generateApiTypes()
}

/** The database client's, without any download (tools/schema-engine.mjs). */
function generateDatabaseClient() {
  const target = join(root, 'libs/store/src/generated')
  once(join(target, '.stamp'), ['prisma/schema.prisma', 'package-lock.json'], () => {
    say('generating the database client')
    rmSync(target, { recursive: true, force: true })
    run(node(), [bin('prisma'), 'generate'], { quiet: true, env: { CHECKPOINT_DISABLE: '1' } })
  })
}

/** What the console's client knows of the admin API: the committed OpenAPI document, no more. */
function generateApiTypes() {
  const target = 'apps/console/src/generated'
  once(join(root, target, '.stamp'), ['docs/openapi.json', 'package-lock.json'], () => {
    say('generating the types of the admin API')
    mkdirSync(join(root, target), { recursive: true })
    const args = ['docs/openapi.json', '-o', `${target}/api.ts`]
    run(node(), [bin('openapi-typescript'), ...args], { quiet: true })
  })
}

function build() {
  const sources = ['apps', 'libs', 'tools', 'package-lock.json', 'tsconfig.json']
  once(join(root, 'dist/.stamp'), sources, () => {
    say('building')
    const env = { NX_DAEMON: 'false', NX_TUI: 'false', NX_NO_CLOUD: 'true' }
    // Whether there is anything to make is what the stamp says: a cache from elsewhere is not asked.
    run(node(), [bin('nx'), 'run-many', '-t', 'build', '--skip-nx-cache'], { quiet: true, env })
    const made = [...APPS.map((app) => `${app}/main.js`), 'console/index.html']
    run(node(), [join(root, 'tools/sbom.mjs')], { quiet: true })
    const missing = made.filter((path) => !existsSync(join(root, 'dist', path)))
    if (missing.length > 0) fail(`the build made no bundle of ${missing.join(', ')}`)
  })
}

/** Runs `make` unless the stamp holds the digest of these sources (paths, sizes, times). */
function once(stamp, sources, make) {
  const digest = createHash('sha256')
  for (const source of sources) addToDigest(digest, join(root, source))
  const now = digest.digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return
  make()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, now)
}

function addToDigest(digest, path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return void digest.update(`${path} ${stat.size} ${stat.mtimeMs}\n`)
  for (const entry of readdirSync(path).sort()) {
    if (entry === 'node_modules' || entry === 'generated' || entry.endsWith('.spec.ts')) continue
    addToDigest(digest, join(path, entry))
  }
}

/** Node 24 from the dependencies; SIGNALBOX_NODE=system takes the one that runs this file. */
function node() {
  if (process.env.SIGNALBOX_NODE === 'system') {
    // npm puts node_modules/.bin first: what runs this file may be the Node that is not asked for.
    const system = process.env.npm_node_execpath ?? process.execPath
    const version = spawnSync(system, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
    const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
    if (major > 22 || (major === 22 && minor >= 19)) return system
    fail(`SIGNALBOX_NODE=system needs Node 22.19 or newer, this is ${version}; unset it`)
  }
  const shipped = join(root, 'node_modules/node/bin/node')
  if (existsSync(shipped)) return shipped
  fail(
    'node_modules/node/bin/node is missing (were install scripts off?); run `npm rebuild node`, or set SIGNALBOX_NODE=system with Node 22.19 or newer',
  )
}

/** Runs Node 24 in the foreground; a signal to this process reaches it. Answers its exit code. */
function runNode(args, { env = {}, withParent = false, cwd = root }) {
  const child = spawn(node(), args, {
    stdio: withParent ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
    env: { ...process.env, ...env },
    cwd,
  })
  // A terminal sends SIGINT to the whole group: the child has it already.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const unwatch = whenParentEnds(() => child.kill('SIGTERM'))
  child.on('exit', unwatch)
  return new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0))),
  )
}

/** npm signals its shell alone, which tells nobody: who is left notices by its new parent. */
function whenParentEnds(act) {
  if (!process.env.npm_lifecycle_event) return () => {}
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    act()
  }, PARENT_CHECK_MS)
  return () => clearInterval(timer)
}

function run(file, args, { quiet = false, env = {} } = {}) {
  const quietStdout = ['signalbox', 'nats-accounts'].includes(name)
  const loud = quietStdout ? ['ignore', process.stderr, 'inherit'] : 'inherit'
  const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : loud
  const done = spawnSync(file, args, { stdio, encoding: 'utf8', env: { ...process.env, ...env } })
  if (done.status === 0) return
  if (quiet) process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`)
  fail(`${args.slice(0, 3).join(' ')} failed${done.error ? `: ${done.error.message}` : ''}`)
}

function say(what) {
  const print = ['signalbox', 'nats-accounts'].includes(name) ? console.error : console.log
  print(`signalbox: ${what} ...`)
}

function fail(message, code = 1) {
  console.error(`signalbox: ${message}`)
  process.exit(code)
}
