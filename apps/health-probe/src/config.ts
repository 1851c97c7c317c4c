import { hostname } from 'node:os'
import {
  createLog,
  type Env,
  LISTEN_SHAPE,
  type ListenAddress,
  type MasterKeys,
  type MetricsAccess,
  nonEmpty,
  parseListen,
  readFleet,
  readLevels,
  readMasterKeys,
  readMetricsAccess,
  readVariable,
  type Variable,
  wholeNumber,
} from '@signalbox/host'

export interface ProbeConfig extends MasterKeys {
  readonly id: string
  readonly fleet: string
  readonly listen: ListenAddress
  /** How many probes look at each backend; all where there are no more. */
  readonly observers: number
  readonly metricsAccess: MetricsAccess
}

export const PROBE_LISTEN: Variable<ListenAddress> = {
  name: 'SIGNALBOX_PROBE_LISTEN',
  shape: LISTEN_SHAPE,
  parse: parseListen,
}
const PROBE_ID: Variable<string> = { name: 'SIGNALBOX_PROBE_ID', shape: 'a name', parse: nonEmpty }
const OBSERVERS: Variable<number> = {
  name: 'SIGNALBOX_PROBE_OBSERVERS',
  shape: 'a number from 1 to 16',
  parse: wholeNumber({ min: 1, max: 16 }),
}
/** The fewest of which one may be wrong and outvoted. */
const DEFAULT_OBSERVERS = 3
const DEFAULT_LISTEN = { kind: 'tcp', host: '127.0.0.1', port: 8082 } as const

/** Reads the environment. Throws ConfigError for the first variable that is wrong. */
export function readProbeConfig(env: Env): ProbeConfig {
  return {
    id: readVariable(env, PROBE_ID) ?? `probe-${hostname()}`,
    fleet: readFleet(env),
    listen: readVariable(env, PROBE_LISTEN) ?? DEFAULT_LISTEN,
    observers: readVariable(env, OBSERVERS) ?? DEFAULT_OBSERVERS,
    ...readMasterKeys(env),
    metricsAccess: readMetricsAccess(env),
  }
}

export function probeLog(env: Env) {
  return createLog('probe', readLevels(env))
}
