#!/usr/bin/env node
// Stands in for Prisma's schema engine, a binary that Prisma would download: answers the JSON-RPC that
// Prisma's CLI speaks over stdio with the WASM build of the same engine, over the `pg` driver.
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import pg from 'pg'

const RPC_SERVER_ERROR = 4466
const RUST_PANIC = 101

const args = process.argv.slice(2)
const valuesOf = (flag) => args.flatMap((arg, i) => (arg === flag ? [args[i + 1]] : []))
const { url } = JSON.parse(valuesOf('--datasource')[0] ?? '{}')

/** The datasource with all its parameters, or another database of the same server. */
function connectionTo(database) {
  if (!url) return {}
  const to = new URL(url)
  if (database) to.pathname = `/${encodeURIComponent(database)}`
  return { Client: CatalogueClient, connectionString: to.href }
}

/**
 * What the engine asks of the catalogue, so that the adapter and Postgres 18 can answer it: columns
 * of the types "char", name and their arrays are told as text, which the adapter knows; NOT NULL
 * constraints, new in pg_constraint, are left out, as the engine knows them from the columns and ends
 * in a panic over these (https://github.com/prisma/orm/issues/29635).
 */
class CatalogueClient extends pg.Client {
  query(query, ...rest) {
    if (typeof query?.text === 'string') {
      query.text = query.text.replace(
        "contype NOT IN ('p', 'u', 'f')",
        "contype NOT IN ('p', 'u', 'f', 'n')",
      )
    }
    const callback = typeof rest.at(-1) === 'function' ? rest.pop() : undefined
    if (callback) {
      return super.query(query, ...rest, (error, result) => callback(error, relabelled(result)))
    }
    const result = super.query(query, ...rest)
    return typeof result?.then === 'function' ? result.then(relabelled) : result
  }
}

const TEXT = 25
const TEXT_ARRAY = 1009
/** By type id: "char", name, pg_node_tree, "char"[], name[]. */
const TOLD_AS = { 18: TEXT, 19: TEXT, 194: TEXT, 1002: TEXT_ARRAY, 1003: TEXT_ARRAY }

function relabelled(result) {
  for (const field of [result].flat().flatMap((one) => one?.fields ?? [])) {
    field.dataTypeID = TOLD_AS[field.dataTypeID] ?? field.dataTypeID
  }
  return result
}

class Factory extends PrismaPg {
  /** The adapter would cut a script at each semicolon, those in function bodies and comments too. */
  async connect() {
    const adapter = await super.connect()
    adapter.executeScript = async (script) => {
      await adapter.executeRaw({ sql: script, args: [], argTypes: [] })
    }
    return adapter
  }

  /** A database for as long as the engine needs it, empty whatever template1 holds. */
  async connectToShadowDb() {
    const database = `prisma_migrate_shadow_db_${randomUUID()}`
    const admin = await this.connect()
    await admin.executeScript(`CREATE DATABASE "${database}" TEMPLATE template0`)
    const shadow = await new Factory(connectionTo(database)).connect()
    const dispose = shadow.dispose.bind(shadow)
    shadow.dispose = async () => {
      await dispose()
      await admin.executeScript(`DROP DATABASE "${database}"`)
      await admin.dispose()
    }
    return shadow
  }
}

async function loadEngine() {
  // A panic leaves a promise that never settles: it ends this process, as it ends the binary.
  globalThis.PRISMA_WASM_PANIC_REGISTRY = {
    set_message: (message) => {
      logError(message, undefined)
      process.exit(RUST_PANIC)
    },
  }
  const script = createRequire(import.meta.url).resolve(
    '@prisma/schema-engine-wasm/schema_engine_bg',
  )
  const glue = await import(script)
  const wasm = await readFile(script.replace(/\.js$/, '.wasm'))
  const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  const models = await Promise.all(
    valuesOf('--datamodels').map(async (file) => [file, await readFile(file, 'utf8')]),
  )
  const options = { datamodels: models.length > 0 ? models : undefined }
  const adapters = bindMigrationAwareSqlAdapterFactory(new Factory(connectionTo()))
  return glue.SchemaEngine.new(options, () => {}, adapters)
}

/** One request a line, one answer a line, until the CLI closes the stream. */
function answerRequests() {
  let loading
  let pending = 0
  let closed = false
  const exitWhenDone = () => closed && pending === 0 && process.exit(0)
  createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const request = JSON.parse(line)
      if (!request.method) return
      pending++
      loading ??= loadEngine()
      await answer(loading, request)
      pending--
      exitWhenDone()
    })
    .on('close', () => {
      closed = true
      exitWhenDone()
    })
}

async function answer(loading, { id, method, params }) {
  const send = (message) =>
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  try {
    const engine = await loading
    const result = await engine[method === 'getDatabaseVersion' ? 'version' : method](params)
    // The binary has the CLI print a diff; the WASM build hands it over.
    if (method === 'diff' && result.stdout) {
      send({ id: randomUUID(), method: 'print', params: { content: result.stdout } })
    }
    send({ id, result: result ?? null })
  } catch (error) {
    const message = error.message ?? String(error)
    const data = { is_panic: false, message, error_code: error.code }
    send({ id, error: { code: RPC_SERVER_ERROR, message, data } })
  }
}

/** `cli can-connect-to-database` and `cli create-database`: the exit code is the answer. */
async function answerCli(command) {
  const create = command === 'create-database'
  const client = new pg.Client(connectionTo(create ? 'postgres' : undefined))
  try {
    await client.connect()
    if (create) {
      const name = decodeURIComponent(new URL(url).pathname.slice(1))
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`)
    }
    await client.end()
    process.exit(0)
  } catch (error) {
    logError(error.message, error.code === '3D000' ? 'P1003' : 'P1001')
    process.exit(1)
  }
}

/** As the binary logs, for the CLI to read. */
function logError(message, code) {
  const fields = { message, error_code: code }
  console.error(JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields }))
}

if (args.includes('cli')) await answerCli(args[args.indexOf('cli') + 1])
else answerRequests()
