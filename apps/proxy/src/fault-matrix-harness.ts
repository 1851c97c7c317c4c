// What may go wrong at a backend, and what a client then sees: the table of docs/routing.md.
import { type MockBackend } from '@signalbox/testing'

/** What a client sees of one request, and how often backends were asked for it. */
export interface Seen {
  readonly status: number
  /** Of our own error, in the answer or in an event of the stream. */
  readonly code: string | null
  /** Whether the answer ended as answers end. */
  readonly whole: boolean
  readonly attempts: number
}

export interface Fault {
  /** As the table names it. */
  readonly name: string
  readonly inject: (backend: MockBackend) => unknown
  /** Of the backend, in place of what a good one has. */
  readonly spec?: Readonly<Record<string, unknown>>
  /** Only over this; otherwise over each. */
  readonly over?: readonly Transport[]
  readonly policy?: Readonly<Record<string, unknown>>
  readonly plain: Seen
  readonly stream: Seen
  /** Requests that a backend gets beside one for each attempt: -1 where it gets none. */
  readonly askedMore?: number
  /** Where a second backend is there, and the policy lists 429 and 503: `second` answers. */
  readonly beside: 'second' | 'the same'
}

export const TRANSPORTS = ['http', 'TLS', 'HTTP/2'] as const
export type Transport = (typeof TRANSPORTS)[number]

const failed = (status: number, code: string): Seen => ({ status, code, whole: true, attempts: 1 })
const passed = (status: number): Seen => ({ status, code: null, whole: true, attempts: 1 })
const cut = (code: string | null): Seen => ({ status: 200, code, whole: false, attempts: 1 })
const both = (seen: Seen) => ({ plain: seen, stream: seen })
const NOWHERE = { ...both(failed(502, 'upstream_connect_failed')), askedMore: -1 }
/** Long enough to connect in. */
const FIRST_BYTE_MS = 300
const IDLE_MS = 100
/** A name that no resolver is asked for: its label is too long. */
const NO_NAME = `${'x'.repeat(64)}.invalid`
const HUGE = { count: 500, text: 'x'.repeat(8_000) }
const JSON_ERROR = '{"error":{"message":"out of memory","code":"oom"}}'

export const FAULTS: readonly Fault[] = [
  {
    name: 'nobody listens',
    inject: (backend) => backend.refuse(),
    ...NOWHERE,
    beside: 'second',
  },
  {
    name: 'its name is not known',
    inject: () => {},
    spec: { url: `http://${NO_NAME}:9` },
    over: ['http'],
    ...NOWHERE,
    beside: 'second',
  },
  {
    name: 'its certificate is not trusted',
    inject: () => {},
    spec: { tls: {} },
    over: ['TLS', 'HTTP/2'],
    ...NOWHERE,
    beside: 'second',
  },
  {
    name: 'the connection breaks before the answer',
    inject: (backend) => backend.reset(),
    ...both(failed(502, 'upstream_failed')),
    beside: 'the same',
  },
  {
    name: 'silence before the answer, `firstByteMs` long',
    inject: (backend) => backend.hang(),
    policy: { timeouts: { firstByteMs: FIRST_BYTE_MS } },
    ...both(failed(504, 'upstream_timeout')),
    beside: 'the same',
  },
  {
    name: 'silence within the answer, `idleMs` long',
    inject: (backend) => backend.cutAfter(1, { how: 'silence' }),
    policy: { timeouts: { idleMs: IDLE_MS } },
    plain: cut(null),
    stream: cut('upstream_timeout'),
    beside: 'the same',
  },
  {
    name: 'the connection ends within the answer',
    inject: (backend) => backend.cutAfter(1, { how: 'fin' }),
    plain: cut(null),
    stream: cut('stream_cut'),
    beside: 'the same',
  },
  {
    name: 'the connection is reset within the answer',
    inject: (backend) => backend.cutAfter(1, { how: 'reset' }),
    plain: cut(null),
    stream: cut('stream_cut'),
    beside: 'the same',
  },
  {
    name: 'the answer ends as if it were whole, without its last event',
    inject: (backend) => backend.cutAfter(1, { how: 'clean' }),
    plain: passed(200),
    stream: cut('stream_cut'),
    beside: 'the same',
  },
  {
    name: 'a few bytes at a time',
    inject: (backend) => backend.drip(7),
    ...both(passed(200)),
    beside: 'the same',
  },
  {
    name: '`content-length` says more than comes',
    inject: (backend) => backend.misframe(10),
    over: ['http', 'TLS'],
    plain: cut(null),
    stream: cut('stream_cut'),
    beside: 'the same',
  },
  {
    name: '`content-length` says less than comes',
    inject: (backend) => backend.misframe(-10),
    over: ['http', 'TLS'],
    plain: passed(200),
    stream: cut('stream_cut'),
    beside: 'the same',
  },
  {
    name: '200 with what is no JSON',
    inject: (backend) => backend.garble(),
    ...both(passed(200)),
    beside: 'the same',
  },
  {
    name: '200 with an error in its body',
    inject: (backend) => backend.failWith(200, { body: JSON_ERROR }),
    ...both(passed(200)),
    beside: 'the same',
  },
  {
    name: '4 MB of answer',
    inject: (backend) => backend.setPieces(HUGE),
    ...both(passed(200)),
    beside: 'the same',
  },
  {
    name: '429 with `retry-after`',
    inject: (backend) => backend.failWith(429, { headers: { 'retry-after': '7' } }),
    ...both(passed(429)),
    beside: 'second',
  },
  {
    name: '503 while it loads a model',
    inject: (backend) => backend.warmUp(),
    ...both(passed(503)),
    beside: 'second',
  },
  {
    name: '500',
    inject: (backend) => backend.failWith(500),
    ...both(passed(500)),
    beside: 'the same',
  },
  {
    name: 'GOAWAY, the request not processed: it is sent again, once, on a new connection',
    inject: (backend) => backend.goAway({ times: 1 }),
    over: ['HTTP/2'],
    ...both(passed(200)),
    askedMore: 1,
    beside: 'the same',
  },
  {
    name: 'GOAWAY, and again on the new connection',
    inject: (backend) => backend.goAway(),
    over: ['HTTP/2'],
    ...both(failed(502, 'upstream_failed')),
    askedMore: 1,
    beside: 'the same',
  },
]

/** One line of the table. */
export function lineOf({ name, plain, stream, beside }: Fault): string {
  const second = beside === 'second' ? 'the second one answers' : 'the same'
  return `| ${[name, say(plain), say(stream), second].join(' | ')} |`
}

function say({ status, code, whole }: Seen): string {
  if (whole) return code === null ? `${status}, as it came` : `${status} \`${code}\``
  return code === null ? `${status}, broken off` : `${status}, event \`${code}\`, broken off`
}
