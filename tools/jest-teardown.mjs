export default async function teardown() {
  await globalThis.__signalboxPostgres?.stop()
}
