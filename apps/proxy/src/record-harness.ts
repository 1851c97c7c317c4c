import { type RequestRecord, TOKENS_UNKNOWN } from '@signalbox/model'

/** A record of a request, by hand. */
export function record(id: string, more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    ...{ id, requestId: id, atMs: 1, proxy: 'p', revision: 1, operation: 'chat', key: null },
    ...{ model: 'm', route: 'm', status: 200, code: null, durationMs: 1, firstByteMs: 1 },
    ...{
      bytes: 1,
      attempts: [],
      tokens: TOKENS_UNKNOWN,
      costUsd: null,
      ...more,
    },
  }
}
