import { type Command } from 'commander'
import { addWriteOptions, gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** Credentials of backends that have a name, and the master key that they are sealed under. */
export function addSecretCommands(program: Command, bind: Bind): void {
  const secrets = program
    .command('secrets')
    .description('credentials of backends: set, list, delete; rewrap, status')
  addWriteOptions(
    secrets
      .command('set <name>')
      .description('make a secret or change its value, read from stdin or typed unseen')
      .option('-f, --file <file>', 'a file with the value')
      .option('--origin <origin...>', 'where it may be sent: https://api.openai.com', gather)
      .option('--description <text>', 'for people')
      .option('-l, --label <label...>', 'NAME=VALUE', gather),
  ).action(
    bind(async (context, [name = ''], options) =>
      (await import('./secrets.ts')).setSecret(context, name, options),
    ),
  )
  secrets
    .command('list')
    .description('all secrets, of each only the fingerprint')
    .option('-l, --label <label>', 'only with this label: name, or name=value')
    .action(
      bind(async (context, _, options) =>
        (await import('./get.ts')).get(context, { kind: 'secret', id: undefined }, options),
      ),
    )
  addWriteOptions(
    secrets
      .command('delete <name>')
      .description('delete a secret that no backend refers to')
      .option('--cascade', 'and the backends that refer to it, and their routes'),
  ).action(
    bind(async (context, [id = ''], options) =>
      (await import('./time.ts')).remove(context, { kind: 'secret', id }, options),
    ),
  )
  addWriteOptions(
    secrets.command('rewrap').description('seal anew what is under a former master key'),
  ).action(
    bind(async (context, _, options) => (await import('./secrets.ts')).rewrap(context, options)),
  )
  secrets
    .command('status')
    .description('which master keys what is sealed is under')
    .action(bind(async (context) => (await import('./secrets.ts')).showStatus(context)))
}
