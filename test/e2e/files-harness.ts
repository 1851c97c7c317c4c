import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Every file below a folder, as Latin-1: bytes as they are. */
export function* filesIn(path: string): Generator<[name: string, text: string]> {
  for (const name of readdirSync(path)) {
    const file = join(path, name)
    if (statSync(file).isDirectory()) yield* filesIn(file)
    else if (statSync(file).isFile()) yield [file, readFileSync(file, 'latin1')]
  }
}
