/** One measured number. `most`, `least`: the figure that was promised, where there is one. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: Unit
  readonly better: 'less' | 'more'
  readonly most?: number
  readonly least?: number
}

type Unit = 'ms' | 's' | 'MB' | 'µs' | 'requests/s' | 'requests' | 'commits/s' | 'resources/s' | ''

/** A figure that is the better the less it is. */
export function less(name: string, value: number, unit: Figure['unit']): Figure {
  return { name, value, unit, better: 'less' }
}

/** Whether a promise was not kept; what could not be measured keeps none. */
export function missed({ value, most, least }: Figure): boolean {
  return (most !== undefined && !(value <= most)) || (least !== undefined && !(value >= least))
}

/** How large the log of the suites `control` and `fleet` is, and how long they take. */
export interface Sizes {
  readonly backends: number
  readonly keys: number
  /** Of the run that looks for gaps and forks. */
  readonly revisions: number
  /** For how long a fleet is changed. */
  readonly seconds: number
  /** How long the suite `soak` runs. */
  readonly minutes: number
}

/** Where and when something was measured; a figure without it says nothing. */
export interface Machine {
  readonly at: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly node: string
  readonly commit: string
  /** Of the last minute, when the run began. */
  readonly load: number
}

export interface Run {
  readonly suite: string
  readonly machine: Machine
  readonly figures: readonly Figure[]
}

export interface Suite {
  /** Tells what it does in `say`, a line each; leaves nothing running. */
  (say: (line: string) => void, sizes: Sizes): Promise<readonly Figure[]>
}

/** The value at a quantile (0 to 1) by the nearest-rank method; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? NaN
}
