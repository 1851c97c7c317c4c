import { AdminClient } from './client.ts'
import { type GlobalOptions, readConnection } from './connection.ts'
import { type Io, writeTo } from './io.ts'
import { type Paint, painter } from './paint.ts'

/** What every command gets: where it writes, how, and its server. */
export interface Context {
  readonly io: Io
  readonly json: boolean
  readonly paint: Paint
  readonly globals: GlobalOptions
  /** The admin API; looked for when a command asks, not before. */
  client(): Promise<AdminClient>
  print(text: string): Promise<void>
  /** Beside the result: notes and warnings, on stderr. */
  note(text: string): Promise<void>
  printJson(value: unknown): Promise<void>
}

export function createContext(globals: GlobalOptions, io: Io): Context {
  const print = (text: string) => writeTo(io.stdout, text.endsWith('\n') ? text : `${text}\n`)
  return {
    ...{ io, globals, print },
    json: globals.json ?? false,
    paint: painter(io.stdout.isTTY === true && !io.env['NO_COLOR']),
    client: async () =>
      new AdminClient({ connection: await readConnection(globals, io), signal: io.signal }),
    note: (text) => writeTo(io.stderr, `${text}\n`),
    printJson: (value) => print(JSON.stringify(value, null, 2)),
  }
}
