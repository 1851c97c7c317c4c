import { type Command } from 'commander'
import { gather } from './program-options.ts'
import { type Bind } from './program.ts'

/** Proof of the log. */
export function addAuditCommands(program: Command, bind: Bind): void {
  const audit = program.command('audit').description('proof of the log: verify, export, sign')
  audit
    .command('verify')
    .description('check the hash chain: by the server, or of an export, without one')
    .option('--file <file>', 'an export; no server is asked')
    .option('--key <key>', 'the key that signed its checkpoints, or a file that holds it')
    .option('--checkpoint <file...>', 'checkpoints that were kept elsewhere', gather)
    .action(
      bind(async (context, _, options) => (await import('./audit.ts')).verify(context, options)),
    )
  audit
    .command('export')
    .description('every revision as its exact bytes, and the checkpoints (NDJSON)')
    .option('-o, --output <file>', 'into this file, which only you may read')
    .action(
      bind(async (context, _, options) =>
        (await import('./audit.ts')).exportAudit(context, options),
      ),
    )
  audit
    .command('checkpoint')
    .description('where the log ends, signed; keep it somewhere else')
    .action(bind(async (context) => (await import('./audit.ts')).checkpoint(context)))
  audit
    .command('denials')
    .description('the newest calls that were refused')
    .action(bind(async (context) => (await import('./audit.ts')).denials(context)))
}
