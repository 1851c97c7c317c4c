import { type FailureCode } from '@signalbox/model'
import { errorOf, ReleaseCounting } from './release-counting.ts'

const SIDE = { release: 'release-7', stage: 0, cohort: true }

describe('what a release is to blame for', () => {
  it.each<[string, number, FailureCode | null, string | undefined]>([
    ['an answer', 200, null, undefined],
    ['an answer of a backend that fails', 500, null, 'failed'],
    ['a stream that broke off', 200, 'stream_cut', 'failed'],
    ['nobody who takes it', 503, 'no_backend', 'failed'],
    ['a credential that a backend refuses', 401, null, 'refused'],
    ['a model that has gone', 404, 'model_not_found', 'unrouted'],
    ['a backend that has enough', 429, null, 'limited'],
    ['a key that may not', 403, 'key_not_allowed', undefined],
    ['a body that is too large', 413, 'request_too_large', undefined],
    ['a client that left', 408, 'request_timeout', undefined],
  ])('%s', (_, status, code, error) => {
    expect(errorOf({ status, code, firstByteMs: null })).toBe(error)
  })
})

it('counts requests, errors, and times to the first byte by bucket', () => {
  const counting = new ReleaseCounting(SIDE)
  for (const firstByteMs of [0, 50, 51, 30_000, 30_001]) {
    counting.add({ status: 200, code: null, firstByteMs })
  }
  counting.add({ status: 500, code: null, firstByteMs: null })
  expect(counting.counts()).toEqual({
    ...SIDE,
    requests: 6,
    errors: { failed: 1, refused: 0, unrouted: 0, limited: 0 },
    firstByteMs: 60_102,
    firstBytes: [2, 1, 0, 0, 0, 0, 0, 0, 1, 1],
  })
})
