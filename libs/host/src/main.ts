import { ConfigError } from './env.ts'

/** sysexits.h: something was wrong with the configuration. */
const EX_CONFIG = 78

export interface Running {
  /** Drains and stops. Called once. */
  stop(): Promise<void>
}

/**
 * What every process's main does: start, print a configuration error as one line, drain on SIGTERM
 * or SIGINT and exit with 0. A second signal ends the process at once.
 */
export async function runMain(start: () => Promise<Running>): Promise<void> {
  const stopAsked = new Promise<void>((resolve) => {
    let asked = false
    const onSignal = () => {
      if (asked) process.exit(1)
      asked = true
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
  try {
    const running = await start()
    await stopAsked
    await running.stop()
    process.exit(0)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`signalbox: ${error.message}\n`)
    process.exit(EX_CONFIG)
  }
}
