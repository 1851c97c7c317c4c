import { parseSpec } from '@signalbox/model'
import { mergePatch } from '../merge-patch.ts'
import { type Fragment } from './document.ts'
import { dotted, type Path, type Reader } from './reader.ts'

type Into = 'policy' | 'backend'

/** One value of the foreign file that holds for the policy, or for every backend. */
export interface Setting {
  /** Dotted paths where it may be written. The first that is there counts. */
  readonly from: readonly string[]
  readonly into: Into
  /** The value as a part of the spec; undefined where it was a problem, or was left. */
  readonly read: (reader: Reader, path: Path) => Fragment | undefined
}

export type Common = Readonly<Record<Into, Fragment>>

const MS_PER_S = 1_000
const NO_BACKEND = 'belongs to each backend, and no backend of this file is imported'
const MINIMAL: Readonly<Record<Into, Fragment>> = {
  policy: {},
  backend: { kind: 'openai', url: 'http://127.0.0.1' },
}

/** Why a spec does not take this part, in the words of its parser; undefined where it does. */
export function misfit(into: Into, part: Fragment): string | undefined {
  const parsed = parseSpec(into, { ...MINIMAL[into], ...part })
  return parsed.ok ? undefined : outside(parsed.error[0]?.message ?? '')
}

/** The reason for a value that is understood and that no spec may hold. */
export function outside(message: string): string {
  return `Signalbox does not take this value: ${message}`
}

/** Reads them in order: what a later one says replaces what an earlier one said. */
export function readSettings(
  reader: Reader,
  settings: readonly Setting[],
  { hasBackends }: { readonly hasBackends: boolean },
): Common {
  const common = { policy: {}, backend: {} } as Record<Into, Fragment>
  for (const { from, into, read } of settings) {
    const path = firstOf(
      reader,
      from.map((text) => text.split('.')),
    )
    const part = path && read(reader, path)
    if (!path || !part) continue
    const why = into === 'backend' && !hasBackends ? NO_BACKEND : misfit(into, part)
    if (why === undefined) common[into] = mergePatch(common[into], part) as Fragment
    else reader.leave(path, why)
  }
  return common
}

/** The first of the paths that has a value. The others are left, and say so. */
export function firstOf(reader: Reader, paths: readonly Path[]): Path | undefined {
  const [first, ...others] = paths.filter((path) => reader.has(path))
  for (const other of others) reader.leave(other, `${dotted(first ?? [])} is read instead`)
  return first
}

/** Makes the reader of a setting out of how to read its value and where to put it. */
export const reads = {
  duration: (place: (ms: number) => Fragment) => (reader: Reader, path: Path) =>
    placed(reader.durationMs(path), place),
  /** For a member that counts seconds. */
  seconds: (place: (s: number) => Fragment) => (reader: Reader, path: Path) =>
    placed(reader.durationMs(path), (ms) => place(ms / MS_PER_S)),
  integer: (place: (value: number) => Fragment) => (reader: Reader, path: Path) =>
    placed(reader.integer(path), place),
  flag: (place: (value: boolean) => Fragment) => (reader: Reader, path: Path) =>
    placed(reader.flag(path), place),
  text: (place: (value: string) => Fragment) => (reader: Reader, path: Path) =>
    placed(reader.text(path), place),
}

function placed<Value>(
  value: Value | undefined,
  place: (value: Value) => Fragment,
): Fragment | undefined {
  return value === undefined ? undefined : place(value)
}

/** The reason of the longest path in the table that leads here; list indexes are `*` there. */
export function reasonIn(table: Readonly<Record<string, string>>, path: Path): string {
  const names = path.map((name) => (/^\d+$/.test(name) ? '*' : name))
  for (let length = names.length; length > 0; length--) {
    const key = names.slice(0, length).join('.')
    const why = Object.hasOwn(table, key) ? table[key] : undefined
    if (why !== undefined) return why
  }
  return 'Signalbox does not know this key'
}
