import { type Command } from 'commander'
import { asOfOption, gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** What is observed, as against what is desired; and help for the shell. */
export function addObservingCommands(program: Command, bind: Bind): void {
  program
    .command('fleet')
    .description('every proxy and probe: what they run, lag, refusals')
    .option('--watch', 'and what changes, as it happens')
    .action(
      bind(async (context, _, options) => (await import('./observe.ts')).fleet(context, options)),
    )
  program
    .command('status')
    .description('the health of every backend')
    .option('--watch', 'and what changes, as it happens')
    .action(
      bind(async (context, _, options) => (await import('./observe.ts')).status(context, options)),
    )
  program
    .command('explain [model]')
    .description('who would take a request for a model, or who took one, and why')
    .option('--request <id>', 'of this recorded request: the x-request-id of its answer')
    .addOption(asOfOption())
    .option('--down <backend...>', 'take these as down', gather)
    .option('--key <id>', 'asked by this client key: whether it may, and where it is hashed to')
    .option('-H, --header <name: value>', 'with this header, which a policy may hash', gather)
    .option('--user <text>', 'with this `user` in the body')
    .option('--path <path>', 'asked for at this path of the data plane')
    .action(
      bind(async (context, [model = ''], options) =>
        (await import('./explain.ts')).explain(context, model, options),
      ),
    )
  program
    .command('doctor')
    .description('look at what most often goes wrong, each with its remedy')
    .action(bind(async (context) => (await import('./doctor.ts')).doctor(context)))
  program
    .command('completion <shell>')
    .description('the completion of this command for bash, zsh or fish')
    .action(
      bind(async (context, [shell = '']) => {
        const { completionFor } = await import('./completion.ts')
        await context.print(completionFor(shell, program))
      }),
    )
}
