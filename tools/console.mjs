// Builds the console into dist/console: a page, and files named after what is in them, each with a
// compressed copy beside it, so that nothing is compressed while it is served.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const outDir = join(root, 'dist/console')

rmSync(outDir, { recursive: true, force: true })
await build({
  root: join(root, 'apps/console'),
  configFile: false,
  logLevel: 'warn',
  cacheDir: join(root, '.nx/vite'),
  oxc: { jsx: { runtime: 'automatic' } },
  build: { outDir, target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
})
for (const folder of [outDir, join(outDir, 'assets')]) {
  for (const file of readdirSync(folder, { withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(folder, file.name)
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
  }
}
