import { randomUUID } from 'node:crypto'
import pg from 'pg'

export interface FreshDatabase {
  readonly url: string
  drop(): Promise<void>
}

/**
 * An empty database with all migrations on the Postgres that the test run started: a copy of its
 * template (tools/jest-setup.mjs).
 */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = process.env['SIGNALBOX_TEST_DATABASE_URL']
  if (server === undefined) {
    throw new Error('SIGNALBOX_TEST_DATABASE_URL is not set: run through jest.config.mjs')
  }
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await onServer(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => onServer(server, `DROP DATABASE ${name} WITH (FORCE)`) }
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
