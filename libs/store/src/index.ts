export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded/start.ts'
export { findMigrations, migrate } from './migrate.ts'
export { openStore, type OpenStoreOptions } from './open-store.ts'
export * from './store.ts'
