import { type Command } from 'commander'
import { addWriteOptions, gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** What was changed, and the way back. */
export function addTimeCommands(program: Command, bind: Bind): void {
  program
    .command('log')
    .description('the newest revisions: who changed what, when and why')
    .option('--actor <actor>', 'only by this actor')
    .option('--resource <kind>', 'only of this kind')
    .option('--id <id>', 'only of this id')
    .option('--since <when>', 'an RFC 3339 time, or 30m, 24h, 7d')
    .option('--limit <count>', 'at most so many (20)')
    .action(bind(async (context, _, options) => (await import('./time.ts')).log(context, options)))
  program
    .command('show <revision>')
    .description('one revision with all it changed')
    .action(
      bind(async (context, [revision = '']) =>
        (await import('./time.ts')).showRevision(context, revision),
      ),
    )
  addWriteOptions(
    program
      .command('rollback <revision>')
      .description('make the state what it was after a revision')
      .option('--only <kind/id...>', 'these resources alone, such as backend/b1', gather),
  ).action(
    bind(async (context, [revision = ''], options) =>
      (await import('./time.ts')).rollback(context, revision, options),
    ),
  )
  addWriteOptions(
    program
      .command('delete <kind> <id>')
      .description('delete one resource')
      .option('--cascade', 'and what refers to it'),
  ).action(
    bind(async (context, [kind = '', id = ''], options) =>
      (await import('./time.ts')).remove(context, { kind, id }, options),
    ),
  )
  addWriteOptions(
    program
      .command('import <router> <file>')
      .description('print what a file of continuum or litellm becomes; unmapped paths on stderr')
      .option('--apply', 'apply it, too')
      .option('--set <name>', 'the set that owns what it names'),
  ).action(
    bind(async (context, [from = '', file = ''], options) =>
      (await import('./import.ts')).importFile(context, { from, file }, options),
    ),
  )
}
