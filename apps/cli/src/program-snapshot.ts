import { type Command } from 'commander'
import { type Bind } from './program.ts'

/** What proxies start from where no network reaches them. */
export function addSnapshotCommands(program: Command, bind: Bind): void {
  program
    .command('snapshot')
    .description('what a proxy without a network starts from')
    .command('export <folder>')
    .description('write the configuration of now, signed, for SIGNALBOX_SNAPSHOT_DIR')
    .action(
      bind(async (context, [folder = '']) =>
        (await import('./snapshot.ts')).exportSnapshot(context, folder),
      ),
    )
}
