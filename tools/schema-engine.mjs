#!/usr/bin/env node
// Stands in for Prisma's schema engine binary, which Prisma would download: answers the JSON-RPC that
// the Prisma CLI speaks over stdio with the WASM build of the same engine, over the `pg` driver.
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import pg from 'pg'

const args = process.argv.slice(2)
const valuesOf = (flag) => args.flatMap((arg, i) => (arg === flag ? [args[i + 1]] : []))
const { url } = JSON.parse(valuesOf('--datasource')[0] ?? '{}')
const RPC_SERVER_ERROR = 4466

/** Catalogue columns of type "char" and name, which the adapter does not know: read them as text. */
const READ_AS = { 18: 25, 19: 25, 194: 25, 1002: 1009, 1003: 1009 }
class CatalogueClient extends pg.Client {
  query(query, ...rest) {
    const done = typeof rest.at(-1) === 'function' ? rest.pop() : undefined
    if (done)
      return super.query(query, ...rest, (error, result) => done(error, result && relabel(result)))
    const result = super.query(query, ...rest)
    return typeof result?.then === 'function' ? result.then(relabel) : result
  }
}
function relabel(result) {
  for (const one of [result].flat()) {
    for (const field of one?.fields ?? [])
      field.dataTypeID = READ_AS[field.dataTypeID] ?? field.dataTypeID
  }
  return result
}

/** The connection of the datasource, to another database of the same server where one is named. */
function connectionTo(database) {
  if (!url) return {}
  const to = new URL(url)
  if (database) to.pathname = `/${database}`
  return { Client: CatalogueClient, connectionString: to.href }
}

class Factory extends PrismaPg {
  async connectToShadowDb() {
    const database = `prisma_migrate_shadow_db_${randomUUID()}`
    const admin = await this.connect()
    await admin.executeScript(`CREATE DATABASE "${database}"`)
    const shadow = await new PrismaPg(connectionTo(database)).connect()
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
  return glue.SchemaEngine.new(
    options,
    () => {},
    bindMigrationAwareSqlAdapterFactory(new Factory(connectionTo())),
  )
}

/** `cli can-connect-to-database` and `cli create-database`: the exit code is the answer. */
async function answerCli(command) {
  const create = command === 'create-database'
  const client = new pg.Client(connectionTo(create ? 'postgres' : undefined))
  try {
    await client.connect()
    if (create) await client.query(`CREATE DATABASE "${new URL(url).pathname.slice(1)}"`)
    await client.end()
    process.exit(0)
  } catch (error) {
    const fields = {
      message: error.message,
      error_code: error.code === '3D000' ? 'P1003' : 'P1001',
    }
    console.error(JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields }))
    process.exit(1)
  }
}

let engine
async function answer({ id, method, params }) {
  const send = (message) =>
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  try {
    engine ??= loadEngine()
    const loaded = await engine
    const result = await loaded[method === 'getDatabaseVersion' ? 'version' : method](params)
    if (method === 'diff' && result.stdout)
      send({ id: 1_000_000, method: 'print', params: { content: result.stdout } })
    send({ id, result: result ?? null })
  } catch (error) {
    const message = error.message ?? String(error)
    const data = { is_panic: false, message, error_code: error.code }
    send({ id, error: { code: RPC_SERVER_ERROR, message, data } })
  }
}

if (args.includes('cli')) await answerCli(args[args.indexOf('cli') + 1])

let pending = 0
let closed = false
const exitWhenDone = () => closed && pending === 0 && process.exit(0)
createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const request = JSON.parse(line)
    if (!request.method) return
    pending++
    await answer(request)
    pending--
    exitWhenDone()
  })
  .on('close', () => {
    closed = true
    exitWhenDone()
  })
