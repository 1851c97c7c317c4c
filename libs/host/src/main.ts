import { ConfigError } from './env.ts'

/** sysexits.h: something was wrong with the configuration. */
const EX_CONFIG = 78
/**
 * A launcher may pass on the signal that the whole group got already: that is one wish, not two.
 */
const SAME_SIGNAL_MS = 1_000

export interface Running {
  /** Drains and stops. Called once. */
  stop(): Promise<void>
}

export interface MainOptions {
  /** Stops, as on SIGTERM, when the process that forked this one is gone. */
  readonly stopWithParent?: boolean
}

/**
 * What every process's main does: start, print a configuration error as one line, drain on SIGTERM
 * or SIGINT and exit with 0. A second signal ends the process at once.
 */
export async function runMain(
  start: () => Promise<Running>,
  { stopWithParent = false }: MainOptions = {},
): Promise<void> {
  const asked = stopAsked(stopWithParent)
  try {
    const running = await start()
    await asked
    await running.stop()
    process.exit(0)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`signalbox: ${message}\n`)
    if (error instanceof ConfigError) process.exit(EX_CONFIG)
    if (error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
    process.exit(1)
  }
}

function stopAsked(withParent: boolean): Promise<void> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined
    const onSignal = () => {
      const nowMs = performance.now()
      if (askedAtMs !== undefined && nowMs - askedAtMs > SAME_SIGNAL_MS) process.exit(1)
      askedAtMs ??= nowMs
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
    if (withParent && process.connected) process.once('disconnect', resolve)
  })
}
