// Records of requests as proxies report them, for the specs of this room.
import { encodeRecord, type RequestRecord, TOKENS_UNKNOWN } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Api } from './api-harness.ts'

export function recordOf(id: string, more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    ...{ id, requestId: `r-${id}`, atMs: Date.now(), proxy: 'p1', revision: 1, key: null },
    ...{ operation: 'chat.completions', model: 'm1', route: 'm1', status: 200, code: null },
    ...{
      durationMs: 10,
      firstByteMs: 5,
      bytes: 100,
      tokens: TOKENS_UNKNOWN,
      costUsd: null,
    },
    attempts: [{ backend: 'b1', outcome: 'answered', ms: 9, inputs: null }],
    ...more,
  }
}

/** Delivers over the bus as a proxy does; settles when it is stored. */
export async function report(
  { hub }: Api,
  records: readonly RequestRecord[],
  proxy = 'p1',
): Promise<void> {
  const bus = hub.connect()
  const batch = { proxy, id: 'batch', text: records.map(encodeRecord).join('') }
  await eventually(() =>
    bus.deliverUsage(batch).then(
      () => true,
      () => false,
    ),
  )
  await bus.close()
}
