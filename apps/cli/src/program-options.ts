import { type Command, InvalidArgumentError, Option } from 'commander'

export function asOfOption(): Option {
  return new Option('--as-of <when>', 'as it was at a revision or an RFC 3339 time')
}

export function waitOption(): Option {
  return new Option('--wait <time>', 'until every live proxy has it, at most so long (5s)')
}

export function addWriteOptions(command: Command): Command {
  return command
    .option('--dry-run', 'say what it would do, and do nothing')
    .addOption(waitOption())
    .option('--reason <text>', 'why; it is kept in the log')
}

/** For options that may stand more than once. */
export function gather(value: string, before: readonly string[] | undefined): readonly string[] {
  if (value === '') throw new InvalidArgumentError('It is empty.')
  return [...(before ?? []), value]
}
