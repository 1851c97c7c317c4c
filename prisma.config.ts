import { join } from 'node:path'
import { defineConfig } from 'prisma/config'

// The same engine as WASM, from the registry, instead of a binary that would be downloaded.
process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= join(import.meta.dirname, 'tools/schema-engine.mjs')
process.env['CHECKPOINT_DISABLE'] ??= '1'

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env['SIGNALBOX_DATABASE_URL'] ?? 'postgresql://127.0.0.1/none' },
})
