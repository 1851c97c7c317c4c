import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { findMigrations, migrate } from './migrate.ts'
import { createHarness } from './test-harness.ts'

const root = dirname(dirname(findMigrations(import.meta.url)))
const harness = createHarness()
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-prisma-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Runs Prisma's CLI as a person would, without a network. */
function prisma(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const nowhere = 'http://127.0.0.1:9'
  const env = {
    ...process.env,
    SIGNALBOX_DATABASE_URL: `${harness.url()}?sslmode=disable`,
    HTTP_PROXY: nowhere,
    HTTPS_PROXY: nowhere,
    NO_COLOR: '1',
  }
  const cli = join(root, 'node_modules/prisma/build/index.js')
  const child = spawn(process.execPath, [cli, ...args], { cwd: root, env })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

const diff = (schema: string) =>
  prisma(['migrate', 'diff', '--exit-code', '--from-config-datasource', '--to-schema', schema])

describe('prisma', () => {
  it('finds no drift between the migrations and schema.prisma', async () => {
    const { code, output } = await diff('prisma/schema.prisma')
    expect(output).toMatch(/No difference detected/)
    expect(code).toBe(0)
  })

  it('would find one', async () => {
    const schema = readFileSync(join(root, 'prisma/schema.prisma'), 'utf8')
    const other = join(folder, 'schema.prisma')
    writeFileSync(other, schema.replace('  actor        String\n', '  actor        Int\n'))
    const { code, output } = await diff(other)
    expect(output).toMatch(/actor/)
    expect(code).toBe(2)
  })

  it('agrees that our migrations are applied', async () => {
    const { code, output } = await prisma(['migrate', 'status'])
    expect(output).toMatch(/Database schema is up to date/)
    expect(code).toBe(0)
  })

  it('applies them itself to an empty database, and we agree', async () => {
    await harness.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    const { code } = await prisma(['migrate', 'deploy'])
    expect(code).toBe(0)
    expect(await migrate(harness.url(), findMigrations(import.meta.url))).toEqual([])
    expect(await harness.sql('SELECT count(*)::int AS n FROM revision')).toEqual([{ n: 0 }])
  })

  it('replays them into a shadow database, and leaves none behind', async () => {
    const { code, output } = await prisma([
      ...['migrate', 'diff', '--exit-code', '--from-migrations', 'prisma/migrations'],
      ...['--to-schema', 'prisma/schema.prisma'],
    ])
    expect(output).toMatch(/No difference detected/)
    expect(code).toBe(0)
    const shadows = `SELECT datname FROM pg_database WHERE datname LIKE '%shadow%'`
    expect(await harness.sql(shadows)).toEqual([])
  })

  it('generates the client', async () => {
    const schema = join(folder, 'schema.prisma')
    cpSync(join(root, 'prisma/schema.prisma'), schema)
    const text = readFileSync(schema, 'utf8')
    writeFileSync(schema, text.replace('../libs/store/src/generated', './generated'))
    const { code } = await prisma(['generate', '--schema', schema])
    expect(code).toBe(0)
    expect(existsSync(join(folder, 'generated/client.ts'))).toBe(true)
  })
})
