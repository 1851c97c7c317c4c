import { parseArgs } from 'node:util'
import { ConfigError, wholeNumber, WORKERS_VARIABLE } from '@signalbox/host'

export interface Flags {
  /** Adds the simulated backend. */
  readonly demo: boolean
  /** Where everything lies; undefined: SIGNALBOX_DATA_DIR, or .signalbox. */
  readonly dataDir: string | undefined
  readonly proxies: number
  /** Of each proxy, as SIGNALBOX_WORKERS has it; undefined: as that says. */
  readonly workers: string | undefined
  /** A file whose content is configured on every start. */
  readonly config: string | undefined
}

const PROXIES_MAX = 16

export const USAGE = `npm start -- [--demo] [--config FILE] [--data DIR] [--proxies N] [--workers N]
  --demo         adds a simulated backend (models demo-small and demo-large)
  --config FILE  backends, routes and policies (YAML or TOML), applied on every start
  --data DIR     where data, keys and tokens lie (default .signalbox)
  --proxies N    how many proxies run, 1 to ${PROXIES_MAX} (default 1)
  --workers N    how many workers each proxy has, 1 to 64, or auto (default 1)`

/** Reads the command line. Throws ConfigError for a flag that there is not, or a wrong value. */
export function readFlags(args: readonly string[]): Flags {
  const values = parse(args)
  const proxies = wholeNumber({ min: 1, max: PROXIES_MAX })(values.proxies ?? '1')
  if (proxies === undefined) {
    throw new ConfigError(
      `--proxies is ${JSON.stringify(values.proxies)}; expected 1 to ${PROXIES_MAX}`,
    )
  }
  const { workers } = values
  if (workers !== undefined && WORKERS_VARIABLE.parse(workers) === undefined) {
    throw new ConfigError(
      `--workers is ${JSON.stringify(workers)}; expected ${WORKERS_VARIABLE.shape}`,
    )
  }
  if (values.data === '') throw new ConfigError('--data is empty; expected a directory')
  if (values.config === '') throw new ConfigError('--config is empty; expected a file')
  const { demo = false, data: dataDir, config } = values
  return { demo, dataDir, proxies, workers, config }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        demo: { type: 'boolean' },
        data: { type: 'string' },
        proxies: { type: 'string' },
        workers: { type: 'string' },
        config: { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new ConfigError(
      `${error instanceof Error ? error.message.split('. ')[0] : error}\n${USAGE}`,
    )
  }
}
