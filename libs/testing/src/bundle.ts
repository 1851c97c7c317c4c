import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const IMPORTED = /(?:from|import)"\.\/(chunk-[A-Z0-9]+\.js)"/g

/**
 * The packages that a bundle (tools/bundle.mjs) loads before it runs: those of its main file and of
 * every piece which that imports at once. What it imports late is not among them.
 */
export function packagesAtStart(folder: string): readonly string[] {
  const packages = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Readonly<
    Record<string, readonly string[]>
  >
  const seen = new Set<string>()
  const load = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, next] of readFileSync(join(folder, file), 'utf8').matchAll(IMPORTED))
      load(next ?? '')
  }
  load('main.js')
  return [...new Set([...seen].flatMap((file) => packages[file] ?? []))].sort()
}
