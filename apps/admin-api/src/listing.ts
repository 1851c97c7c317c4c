import { type ResourceName } from '@signalbox/model'
import { type Page, type PageQuery } from '@signalbox/store'
import { presentResource } from './masking.ts'
import { wrongParameter } from './request.ts'

/** Where the next page starts: behind this id, in the state of this revision. */
interface Cursor {
  readonly revision: number
  readonly after: string
}

/** Pages of one list all show the state of the revision that the first one showed. */
export function readCursor(text: string | undefined): Cursor | undefined {
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Partial<Cursor>
    const { revision, after } = value
    const isRevision = Number.isSafeInteger(revision) && Number(revision) >= 0
    const isStorable = typeof after === 'string' && after.isWellFormed() && !after.includes('\0')
    if (isRevision && isStorable) return value as Cursor
  } catch {
    // refused below
  }
  throw wrongParameter('cursor', 'expected the nextCursor of an earlier page')
}

/** `zone=a`, `zone:a`, or `zone` with any value. */
export function readLabel(text: string | undefined): PageQuery['label'] | undefined {
  if (text === undefined) return undefined
  const [name = '', value] = text.split(/[=:](.*)/s)
  return value === undefined ? { name } : { name, value }
}

export function presentPage({ revision, items, more }: Page<ResourceName>) {
  const last = items.at(-1)
  const cursor = more && last ? { revision, after: last.id } : null
  const nextCursor = cursor && Buffer.from(JSON.stringify(cursor)).toString('base64url')
  return { items: items.map(presentResource), nextCursor, revision }
}
