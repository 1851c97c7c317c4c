import { type Clock, type Log } from '@signalbox/host'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@signalbox/store'

const RESTART_MIN_MS = 500
const RESTART_MAX_MS = 10_000

export interface Database {
  readonly url: string
  stop(): Promise<void>
}

/**
 * The embedded Postgres. One that ends by itself is started again, at the same address: until then
 * writes are refused, and proxies do not notice.
 */
export async function keepDatabase(
  place: { readonly dataDir: string; readonly password: string },
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Database> {
  let postgres: EmbeddedPostgres | null = await startEmbeddedPostgres(place)
  const { url } = postgres
  const port = Number(new URL(url).port)
  let stopped = false
  let restarting: Promise<void> = Promise.resolve()
  let cancel = () => {}

  const watch = (running: EmbeddedPostgres) =>
    running.ended.then(() => {
      if (stopped) return
      postgres = null
      log.error({}, 'the database ended and is started again')
      restart(RESTART_MIN_MS)
    })
  const restart = (delayMs: number) => {
    cancel = clock.after(delayMs, () => {
      restarting = startEmbeddedPostgres({ ...place, port }).then(
        (next) => {
          postgres = next
          void watch(next)
        },
        (error: unknown) => {
          log.error({ cause: String(error) }, 'the database does not start')
          if (!stopped) restart(Math.min(delayMs * 2, RESTART_MAX_MS))
        },
      )
    })
  }
  void watch(postgres)

  return {
    url,
    stop: async () => {
      stopped = true
      cancel()
      await restarting
      await postgres?.stop()
    },
  }
}
