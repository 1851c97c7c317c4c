import { AT, type Note, REVISION } from './openapi-examples.ts'

const tokens = { prompt: 812, completion: 96, cached: null, reasoning: null }
const request = {
  id: 'hsbhttz15z-7',
  requestId: 'proxy-1-hsbhttz15z-7',
  at: AT,
  proxy: 'proxy-1',
  operation: 'chat.completions',
  revision: REVISION,
  key: 'team-a',
  model: 'gpt-4o',
  route: 'chat',
  backend: 'vllm-a',
  status: 200,
  code: null,
  durationMs: 412.5,
  firstByteMs: 80.25,
  bytes: 2048,
  attempts: [{ backend: 'vllm-a', outcome: 'answered', ms: 411.875 }],
  tokens,
}

/** What is said of the calls about what requests were. */
export const USAGE_NOTES: Readonly<Record<string, Note>> = {
  get_usage: {
    summary: 'Requests, errors, tokens and times, added up',
    answer: {
      from: AT,
      to: AT,
      groupBy: [],
      items: [{ requests: 1, errors: 0, estimated: 0, tokens, meanMs: 412.5, p95Ms: 412.5 }],
      truncated: false,
    },
  },
  list_requests: {
    summary: 'What requests were, newest first',
    answer: { items: [request], nextCursor: null },
  },
  plan: {
    summary: 'A change that is not made: its diff, and which recorded requests it would move',
    request: {
      operations: [
        { op: 'put', resource: 'policy', id: 'quick', spec: { retry: { maxRetries: 0 } } },
      ],
      lastRequests: 1_000,
    },
    answer: {
      dryRun: true,
      revision: REVISION,
      changes: [
        {
          resource: 'policy',
          id: 'quick',
          op: 'created',
          before: null,
          after: { strategy: 'RoundRobin' },
        },
      ],
      requests: {
        looked: 1_000,
        since: AT,
        elsewhere: 12,
        perhaps: 0,
        groups: [
          {
            route: 'chat',
            reason: 'backend_gone',
            why: 'its backend would take no requests of the route any more',
            certain: true,
            requests: 12,
            examples: ['proxy-1-hsbhttz15z-7'],
          },
        ],
      },
    },
  },
}
