import { Command } from 'commander'
import { VERSION } from '@signalbox/host'
import { addAuditCommands } from './program-audit.ts'
import { addIdentityCommands } from './program-identities.ts'
import { addObservingCommands } from './program-observing.ts'
import { addWriteOptions, asOfOption, gather } from './program-options.ts'
import { addSecretCommands } from './program-secrets.ts'
import { addReleaseCommands } from './program-releases.ts'
import { addSnapshotCommands } from './program-snapshot.ts'
import { addRequestCommands } from './program-requests.ts'
import { addTimeCommands } from './program-time.ts'
import { type Context } from './context.ts'
import { type ExitCode } from './failure.ts'

/** What a command does. Modules are loaded when it runs: `--help` needs none of them. */
export type Act = (
  context: Context,
  args: readonly (string | undefined)[],
  options: never,
) => Promise<ExitCode | void>

/** Binds a command's action to what runs it. */
export type Bind = (act: Act) => (...given: unknown[]) => Promise<void>

const EXITS = `
Exit codes: 0 done; 1 failed, or found problems; 2 wrong usage; 3 refused by the server;
4 not reachable, or the server failed; 130 interrupted. docs/cli.md shows every command.`

/** All commands, their arguments and options; `bind` says how an action is run. */
export function createProgram(bind: Bind): Command {
  const program = new Command('signalbox')
    .description('Reads and changes a Signalbox fleet through its admin API.')
    .version(VERSION, '-V, --version')
    .option('--url <url>', 'the admin API (SIGNALBOX_URL; http://127.0.0.1:8081)')
    .option('--token <token>', 'a token (SIGNALBOX_TOKEN); others see it in the process list')
    .option('--token-file <file>', 'a file with the token (.signalbox/admin-token where it is)')
    .option('--context <name>', 'a context of ~/.config/signalbox/config.yaml')
    .option('--json', 'stable JSON instead of text')
    .addHelpText('after', EXITS)
  addResourceCommands(program, bind)
  addTimeCommands(program, bind)
  addAuditCommands(program, bind)
  addIdentityCommands(program, bind)
  addSecretCommands(program, bind)
  addSnapshotCommands(program, bind)
  addReleaseCommands(program, bind)
  addRequestCommands(program, bind)
  addObservingCommands(program, bind)
  return program
}

function addResourceCommands(program: Command, bind: Bind): void {
  program
    .command('get <kind> [id]')
    .description(
      'list backends, routes, policies, sets, keys, principals, settings, secrets, or one',
    )
    .addOption(asOfOption())
    .option('-l, --label <label>', 'only with this label: name, or name=value')
    .option('-o, --output <shape>', 'table, json or yaml')
    .action(
      bind(async (context, [kind = '', id], options) =>
        (await import('./get.ts')).get(context, { kind, id }, options),
      ),
    )
  program
    .command('describe <kind> <id>')
    .description('one resource, its health, who refers to it, its last changes')
    .action(
      bind(async (context, [kind = '', id = '']) =>
        (await import('./get.ts')).describe(context, { kind, id }),
      ),
    )
  addWriteOptions(
    program
      .command('apply')
      .description('make the state what documents say, as one revision')
      .requiredOption('-f, --file <file>', 'a file, a directory, or - for stdin', gather)
      .option('--set <name>', 'the set that owns what the documents name')
      .option('--prune', 'delete what the documents leave out (of the set, or of all)')
      .option('--force', 'also where that is more than a fifth'),
  ).action(
    bind(async (context, _, options) => (await import('./apply.ts')).apply(context, options)),
  )
  program
    .command('diff [from] [to]')
    .description('what an apply would change, or what differs between two revisions')
    .option('-f, --file <file>', 'a file, a directory, or - for stdin', gather)
    .option('--set <name>', 'as for apply')
    .option('--prune', 'as for apply')
    .option('--exit-code', 'exit with 1 where there is a difference')
    .action(
      bind(async (context, [from, to], options) =>
        (await import('./diff.ts')).diff(context, { from, to }, options),
      ),
    )
  program
    .command('export')
    .description('the whole configuration as a document that apply reads')
    .addOption(asOfOption())
    .option('--format <format>', 'yaml, json or toml')
    .action(
      bind(async (context, _, options) =>
        (await import('./diff.ts')).exportConfig(context, options),
      ),
    )
}
