import { pino, type DestinationStream } from 'pino'
import { type Env, type Parse, readVariable, type Variable } from './env.ts'

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type Level = (typeof LEVELS)[number]

/** A level for all rooms and exceptions by room: `info`, or `proxy=debug,bus=info`. */
export interface Levels {
  readonly standard: Level
  readonly byRoom: ReadonlyMap<string, Level>
}

type Fields = Readonly<Record<string, unknown>>

/** Fields first, then one sentence. Never a secret, a prompt or an answer. */
export interface Log {
  debug(fields: Fields, message: string): void
  info(fields: Fields, message: string): void
  warn(fields: Fields, message: string): void
  error(fields: Fields, message: string): void
}

export const parseLevels: Parse<Levels> = (text) => {
  let standard: Level = 'info'
  const byRoom = new Map<string, Level>()
  for (const part of text.split(',')) {
    const [left = '', right, ...more] = part.split('=').map((side) => side.trim())
    const level = right ?? left
    if (!isLevel(level) || left === '' || more.length > 0) return undefined
    if (right === undefined) standard = level
    else byRoom.set(left, level)
  }
  return { standard, byRoom }
}

export const LOG_VARIABLE: Variable<Levels> = {
  name: 'SIGNALBOX_LOG',
  shape: `a level (${LEVELS.join(', ')}) or room=level pairs such as proxy=debug,bus=info`,
  parse: parseLevels,
}

/** The levels that the environment asks for; `otherwise` for all rooms where it says nothing. */
export function readLevels(env: Env, otherwise: Level = 'info'): Levels {
  return readVariable(env, LOG_VARIABLE) ?? { standard: otherwise, byRoom: new Map() }
}

function isLevel(text: string): text is Level {
  return (LEVELS as readonly string[]).includes(text)
}

/** Makes the log of one room. JSON lines on stdout unless a destination is given. */
export function createLog(room: string, levels: Levels, destination?: DestinationStream): Log {
  const level = levels.byRoom.get(room) ?? levels.standard
  const options = { level, base: { room }, timestamp: pino.stdTimeFunctions.isoTime }
  return destination ? pino(options, destination) : pino(options)
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
