import { type Command } from 'commander'
import { addWriteOptions, gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** Changes that a part of the fleet tries first. */
export function addReleaseCommands(program: Command, bind: Bind): void {
  const release = program
    .command('release')
    .description('changes that a part of the fleet tries first: start, status, promote, rollback')
  addWriteOptions(
    release
      .command('start')
      .description('stage what documents say, or the state after a revision')
      .option('-f, --file <file>', 'a file, a directory, or - for stdin', gather)
      .option('--revision <revision>', 'what was after this revision')
      .option('--stage <stage>', '10%@60s, or zone=eu,canary=yes@5m; more stages: again', gather)
      .option('--guard <setting>', 'maxErrorRateIncrease=0.02, minRequests=50 ...', gather),
  ).action(
    bind(async (context, _, options) => (await import('./releases.ts')).start(context, options)),
  )
  release
    .command('status [id]')
    .description('the releases, or how one does')
    .action(
      bind(async (context, [id]) => (await import('./releases.ts')).showReleases(context, id)),
    )
  addWriteOptions(
    release
      .command('promote <id>')
      .description('go on to the next stage now, whatever is known of this one')
      .option('--full', 'to the end: all proxies activate it'),
  ).action(
    bind(async (context, [id = ''], options) =>
      (await import('./releases.ts')).promote(context, id, options),
    ),
  )
  addWriteOptions(release.command('rollback <id>').description('take it back now')).action(
    bind(async (context, [id = ''], options) =>
      (await import('./releases.ts')).rollBack(context, id, options),
    ),
  )
}
