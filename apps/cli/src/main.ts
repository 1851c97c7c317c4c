import { homedir } from 'node:os'
import { EXIT } from './failure.ts'
import { runCli } from './run-cli.ts'

const ARGUMENTS_FROM = 2

const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort())
process.once('SIGTERM', () => interrupt.abort())
// `signalbox log | head`: who has read enough is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed)
})

process.exitCode = await runCli(process.argv.slice(ARGUMENTS_FROM), {
  env: process.env,
  cwd: process.cwd(),
  home: homedir(),
  platform: process.platform,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupt.signal,
})
