import { fstatSync } from 'node:fs'
import { readVariable, runMain, wholeNumber } from '@signalbox/host'
import { startMockBackend } from './mock-backend.ts'

const PORT_MAX = 65_535
const EVENT_INTERVAL_MS = 30
const STDIN = 0

const MOCK_PORT = {
  name: 'SIGNALBOX_MOCK_PORT',
  shape: `a port, 0 to ${PORT_MAX} (0: any that is free)`,
  parse: wholeNumber({ min: 0, max: PORT_MAX }),
}

/** Ends this process when the one that started it ends, however that ends. */
function endWithParent(): void {
  if (process.channel) process.on('disconnect', () => process.exit(0))
  const stdin = fstatSync(STDIN)
  if (!stdin.isFIFO() && !stdin.isSocket()) return
  process.stdin.on('end', () => process.exit(0))
  process.stdin.resume()
}

await runMain(async () => {
  const port = readVariable(process.env, MOCK_PORT) ?? 0
  const backend = await startMockBackend({
    port,
    eventIntervalMs: EVENT_INTERVAL_MS,
    record: false,
  })
  process.stdout.write(`${JSON.stringify({ port: backend.port })}\n`)
  endWithParent()
  return backend
})
