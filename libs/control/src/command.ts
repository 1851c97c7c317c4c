import { type ResourceName } from '@signalbox/model'

/** If-Match: the revision that the caller saw, `*` (it must exist), or null (not said). */
export type IfMatch = number | '*' | null

/**
 * What a caller wants changed. Specs, patches and a new id are as they came from outside; decide()
 * parses them. A patch is a JSON merge patch (RFC 7396) on the stored spec.
 */
export type Command =
  | {
      readonly op: 'create'
      readonly resource: ResourceName
      readonly id: unknown
      readonly spec: unknown
    }
  | {
      readonly op: 'put'
      readonly resource: ResourceName
      readonly id: string
      readonly spec: unknown
      readonly ifMatch: IfMatch
    }
  | {
      readonly op: 'patch'
      readonly resource: ResourceName
      readonly id: string
      readonly patch: unknown
      readonly ifMatch: IfMatch
      /** A token was made anew: the patch holds its hash. Never of a caller's own patch. */
      readonly rotates?: boolean
    }
  | {
      readonly op: 'delete'
      readonly resource: ResourceName
      readonly id: string
      readonly ifMatch: IfMatch
      /** Deletes what refers to it as well. */
      readonly cascade?: boolean
    }
