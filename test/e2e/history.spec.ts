// Two admin-api processes on one database, one of which is killed and comes back while clients
// write: what anybody was told still has a place in one order of everything, and nothing is lost.
import { type FreshDatabase, freePort, freshDatabase } from '@signalbox/testing'
import { TOKENS } from '../../apps/admin-api/src/api-harness.ts'
import { readLog, runClients } from '../../apps/admin-api/src/clients-harness.ts'
import { checkHistory } from '../../apps/admin-api/src/history-harness.ts'
import { fleetEnv } from './fleet-harness.ts'
import { end, endProcesses, type Started, startProcess, untilUp } from './processes-harness.ts'

const TEST_MS = 300_000
const INSTANCES = 2
const SEED = 3
/** Of the calls that the clients make, before which one is killed, and is back. */
const KILLED_AT = 100
const BACK_AT = 180

let database: FreshDatabase
beforeEach(async () => {
  database = await freshDatabase()
}, TEST_MS)
afterEach(async () => {
  await endProcesses()
  await database.drop()
}, TEST_MS)

function startAdmin(port: number): Promise<Started> {
  const env = fleetEnv({
    SIGNALBOX_FLEET: 'default',
    SIGNALBOX_DATABASE_URL: database.url,
    SIGNALBOX_ADMIN_TOKEN: TOKENS.admin,
    SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${port}`,
  })
  const isUp = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status === 200
  return untilUp(startProcess('admin-api', { env }), isUp)
}

it(
  'two processes behave as one while one of them is killed and started again',
  async () => {
    const ports = await Promise.all(Array.from({ length: INSTANCES }, freePort))
    const [first, victim] = await Promise.all(ports.map(startAdmin))
    if (!first || !victim) throw new Error('two were to be started')
    let back: Promise<Started> | undefined
    const bases = ports.map((port) => `http://127.0.0.1:${port}`)
    const { operations, different } = await runClients(bases, SEED, (begun) => {
      // The calls that were begun before are still under way.
      if (begun === KILLED_AT) victim.child.kill('SIGKILL')
      if (begun < BACK_AT) return
      return (back ??= victim.exited.then(() => startAdmin(ports[1] as number)))
    })
    const again = await back
    expect(victim.child.signalCode).toBe('SIGKILL')
    // Whoever broke off may still be served: once both have drained, nothing is under way.
    for (const one of [first, again]) expect(one && (await end(one, 'SIGTERM'))).toBe(0)
    const log = await readLog(database.url)
    expect(checkHistory(operations, log)).toEqual([])
    expect(different).toEqual([])

    // What came up, so that a history of nothing does not pass.
    const wrote = operations.filter(({ answer }) => answer?.kind === 'wrote')
    const unheard = operations.filter(({ answer }) => answer === null)
    expect([wrote.length > 50, unheard.length > 10]).toEqual([true, true])
  },
  TEST_MS,
)
