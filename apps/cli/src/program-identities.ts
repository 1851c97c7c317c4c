import { type Command } from 'commander'
import { type IdentityKind } from './identities.ts'
import { addWriteOptions, gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** Who may: client keys, and principals of the admin API. */
export function addIdentityCommands(program: Command, bind: Bind): void {
  const keys = program.command('keys').description('client keys: create, rotate, revoke')
  addCreate(keys, bind, 'key')
    .option('--owner <owner>', 'whose it is')
    .option('--route <route...>', 'only for these routes', gather)
    .option('--rpm <number>', 'requests a minute, in the whole fleet')
    .option('--tpm <number>', 'tokens a minute')
    .option('--concurrency <number>', 'requests at a time')
    .option('--budget <usd/period>', 'US dollars a day, week, month or in total: 50/month')
  addRest(keys, bind, 'key')
  const principals = program
    .command('principals')
    .description('who may call the admin API: create, rotate, revoke')
  addCreate(principals, bind, 'principal').option('--role <role>', 'viewer, operator or admin')
  addRest(principals, bind, 'principal')
}

function addCreate(group: Command, bind: Bind, kind: IdentityKind): Command {
  const create = addWriteOptions(
    group
      .command('create <id>')
      .description(`make a ${kind}; its token is shown this once`)
      .option('--name <name>', 'for people')
      .option('--expires <time>', 'when it ends: 2027-01-31T00:00:00Z'),
  )
  return create.action(
    bind(async (context, [id = ''], options) =>
      (await import('./identities.ts')).create(context, { kind, id }, options),
    ),
  )
}

function addRest(group: Command, bind: Bind, kind: IdentityKind): void {
  addWriteOptions(
    group
      .command('rotate <id>')
      .description('give it a new token, shown this once')
      .option('--overlap <time>', 'how long the former token is good: 1h'),
  ).action(
    bind(async (context, [id = ''], options) =>
      (await import('./identities.ts')).rotate(context, { kind, id }, options),
    ),
  )
  addWriteOptions(group.command('revoke <id>').description('end it at once')).action(
    bind(async (context, [id = ''], options) =>
      (await import('./identities.ts')).revoke(context, { kind, id }, options),
    ),
  )
}
