import { type Command, CommanderError } from 'commander'
import { ConfigError } from '@signalbox/host'
import { type GlobalOptions } from './connection.ts'
import { createContext } from './context.ts'
import { EXIT, type ExitCode, Failure, type FailureFacts, renderFailure } from './failure.ts'
import { type Io, writeTo } from './io.ts'
import { type Act, createProgram } from './program.ts'

/** Runs one command line (without the program's name) and answers the exit code. */
export async function runCli(args: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  const bind = (act: Act) => {
    return async (...given: unknown[]) => {
      const command = given.at(-1) as Command
      const context = createContext(command.optsWithGlobals<GlobalOptions>(), io)
      code = (await act(context, command.processedArgs, command.optsWithGlobals() as never)) ?? code
    }
  }
  const program = createProgram(bind)
  const json = args.includes('--json')
  direct(program, { io, json })
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    return report(error, { io, json })
  }
}

/** Commander writes where the command does, and throws instead of ending the process. */
function direct(command: Command, { io, json }: Reporting): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
    outputError: (text, write) => {
      if (!json) write(text.replace(/^error: /, 'signalbox: usage: '))
    },
  })
  for (const one of command.commands) direct(one, { io, json })
}

interface Reporting {
  readonly io: Io
  readonly json: boolean
}

async function report(error: unknown, { io, json }: Reporting): Promise<ExitCode> {
  if (io.signal.aborted) return EXIT.interrupted
  // It has said so itself: help, the version, or what is wrong with the arguments.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
  if (error instanceof CommanderError && !json) return EXIT.usage
  const facts = factsOf(error)
  const text = json ? `${JSON.stringify({ error: facts })}\n` : renderFailure(facts)
  await writeTo(io.stderr, text)
  return facts.exitCode
}

function factsOf(error: unknown): FailureFacts {
  if (error instanceof Failure) return error.facts
  if (error instanceof ConfigError || error instanceof CommanderError) {
    const detail = error.message.replace(/^error: /, '')
    return { exitCode: EXIT.usage, code: 'usage', detail }
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { exitCode: EXIT.failed, code: 'internal_error', detail }
}
