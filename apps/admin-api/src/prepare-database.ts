import { ConfigError } from '@signalbox/host'
import { DatabaseUnavailable, findMigrations, migrate } from '@signalbox/store'
import { DATABASE_URL } from './config.ts'

/**
 * Brings the database up to this version. One that does not answer at the start is most often a
 * mistake in the environment: ConfigError says where to look.
 */
export async function prepareDatabase(url: string): Promise<void> {
  try {
    await migrate(url, findMigrations(import.meta.url))
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error
    const { name, shape } = DATABASE_URL
    throw new ConfigError(`${error.message}; check ${name}, expected ${shape}`)
  }
}
