import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below what systems give for port 0 (Linux: from 32768), so that no other test is given it. */
const FROM = 20_000
/** Files of tests run side by side: each worker takes its ports from a range of its own. */
const PORTS_PER_WORKER = 3_000
const WORKERS_MAX = 4
const ATTEMPTS_MAX = 100

/** A port that was free a moment ago: a process cannot tell a test which one it took itself. */
export async function freePort(): Promise<number> {
  const worker = Number(process.env['JEST_WORKER_ID'] ?? 1) % WORKERS_MAX
  const from = FROM + worker * PORTS_PER_WORKER
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(from, from + PORTS_PER_WORKER)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
