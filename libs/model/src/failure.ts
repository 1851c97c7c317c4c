import { type FailureCode } from './codes.ts'

/** Who broke it. */
export type FailureSource = 'downstream' | 'upstream' | 'internal'

/**
 * A request that did not succeed, as data. Whether to try again is decided in libs/routing alone.
 */
export interface Failure {
  readonly code: FailureCode
  readonly source: FailureSource
  /** True only when no byte of the request can have reached the backend's application. */
  readonly nothingSent: boolean
  /** Safe for clients. */
  readonly message: string
  /** For the log: error code or name, never a header or a body. */
  readonly cause?: string
}
