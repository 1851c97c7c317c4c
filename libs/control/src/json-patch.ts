import { canonicalJson } from '@signalbox/model'
import { isObject } from './merge-patch.ts'

/** One operation of a JSON Patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/**
 * The JSON Patch that leads from one JSON value to another. Objects are compared member by member;
 * a list that differs is replaced whole, which reads better than moves of its items.
 */
export function jsonPatch(before: unknown, after: unknown): readonly PatchOperation[] {
  return between(before, after, '')
}

function between(before: unknown, after: unknown, path: string): PatchOperation[] {
  if (!isObject(before) || !isObject(after)) {
    return same(before, after) ? [] : [{ op: 'replace', path, value: after }]
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].sort().flatMap((name): PatchOperation[] => {
    const at = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (!Object.hasOwn(after, name)) return [{ op: 'remove', path: at }]
    if (!Object.hasOwn(before, name)) return [{ op: 'add', path: at, value: after[name] }]
    return between(before[name], after[name], at)
  })
}

function same(a: unknown, b: unknown): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b)
}
