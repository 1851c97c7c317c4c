import { STRATEGIES, type Strategy } from '@signalbox/model'

/** Names that other routers give to ways of picking, of which this version has no like. */
const WITHOUT_LIKE = ['ResourceAware', 'Adaptive']

const BY_NAME: ReadonlyMap<string, Strategy> = new Map([
  ...STRATEGIES.map((strategy) => [plain(strategy), strategy] as const),
  ['weighted', 'WeightedRoundRobin'],
  ['weightedrandom', 'Random'],
  ['leastconnections', 'LeastRequests'],
  ['prefixawarehash', 'PrefixAware'],
  ['lowestlatency', 'LeastLatency'],
])
const UNLIKE: ReadonlySet<string> = new Set(WITHOUT_LIKE.map(plain))

/** LeastLatency, least_latency and least-latency are one name. */
export function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** The strategy of that name; `without-like` for one that only others have. */
export function strategyOf(name: string): Strategy | 'without-like' | undefined {
  return BY_NAME.get(plain(name)) ?? (UNLIKE.has(plain(name)) ? 'without-like' : undefined)
}

export const STRATEGY_NAMES = STRATEGIES.join(', ')
