export { type AdminConfig, readAdminConfig, readDatabaseUrl } from './config.ts'
export { renderOpenApi } from './openapi.ts'
export { type AdminDeps, type RunningAdminApi, startAdminApi } from './start.ts'
export { prepareDatabase } from './prepare-database.ts'
