export default async function teardown() {
  await globalThis.__signalboxTestDatabase?.stop()
}
