import { type Command } from 'commander'
import { gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** What requests were, and what a change would do to them. */
export function addRequestCommands(program: Command, bind: Bind): void {
  program
    .command('plan')
    .description('what an apply would change, and which recorded requests would go elsewhere')
    .requiredOption('-f, --file <file>', 'a file, a directory, or - for stdin', gather)
    .option('--set <name>', 'as of an apply of this set')
    .option('--prune', 'as of an apply that prunes')
    .option('--force', 'as of an apply that may prune more than 20 % of what is there')
    .option('--last <count>', 'look at so many requests (1000)')
    .action(
      bind(async (context, _, options) => (await import('./requests.ts')).plan(context, options)),
    )
  program
    .command('usage')
    .description('requests, errors, tokens and times, added up')
    .option('--by <names>', 'some of key,route,backend,model')
    .option('--since <when>', 'an RFC 3339 time, or 30m, 24h, 7d (24h)')
    .action(
      bind(async (context, _, options) => (await import('./requests.ts')).usage(context, options)),
    )
  program
    .command('requests')
    .description('the newest requests')
    .option('--id <id>', 'with this x-request-id')
    .option('--route <id>', 'of this route')
    .option('--key <id>', 'of this key')
    .option('--backend <id>', 'whose last attempt was at this backend')
    .option('--status <status>', 'such as 502, or 5xx')
    .option('--since <when>', 'an RFC 3339 time, or 30m, 24h, 7d')
    .option('--limit <count>', 'at most so many (20)')
    .action(
      bind(async (context, _, options) =>
        (await import('./requests.ts')).requests(context, options),
      ),
    )
}
